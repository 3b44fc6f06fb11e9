from __future__ import annotations

from otel_genai_cost.reports.words import ABSENT, REASONS
from otel_genai_cost.vocabulary import ABSENCES, QUALITIES, word
from otel_genai_cost.vocabulary import REASONS as KNOWN_REASONS


def test_every_reason_has_words_that_say_what_to_do() -> None:
    assert sorted(REASONS) == sorted(KNOWN_REASONS)
    assert sorted(ABSENT) == sorted(ABSENCES)


def test_a_word_of_a_newer_version_claims_least() -> None:
    assert word("estimated", QUALITIES, "unknown") == "estimated"
    assert word("audited", QUALITIES, "unknown") == "unknown"
    assert word(7, QUALITIES, "unknown") == "unknown"
