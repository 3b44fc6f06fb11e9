"""`doctor`: what is there, what is wrong with it, and what to do."""

from otel_genai_cost.cli.doctor.command import register

__all__ = ["register"]
