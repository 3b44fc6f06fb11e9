"""The dashboards for Grafana, as they are built."""

from __future__ import annotations
