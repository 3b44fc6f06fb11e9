"""The instrumentations whose spans are understood, and what is known of their numbers: the table.

Every row was compared with what a provider really billed, unless its facts are `unproven`. The documentation's table of
dialects is made from it. Rows are filed by the language whose releases they follow.
"""

from __future__ import annotations

from typing import Final

from otel_genai_cost.usage.instrumentations.java import JAVA
from otel_genai_cost.usage.instrumentations.javascript import JAVASCRIPT
from otel_genai_cost.usage.instrumentations.python import PYTHON
from otel_genai_cost.usage.instrumentations.row import Read, Row

__all__ = ["DIALECTS", "Read", "Row"]

DIALECTS: Final = (*PYTHON, *JAVASCRIPT, *JAVA)
