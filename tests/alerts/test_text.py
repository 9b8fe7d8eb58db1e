from __future__ import annotations

from unicodedata import category

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.text import clean, one_line


@settings(deadline=None)
@given(st.text(), st.integers(2, 50))
def test_cleaned_text_is_short_printable_and_the_same_when_cleaned_again(text: str, limit: int) -> None:
    for cleaned in (clean(text, limit), one_line(text, limit)):
        assert len(cleaned) <= limit
        assert all(category(character) not in ("Cc", "Cs") or character in "\t\n" for character in cleaned)
        cleaned.encode()
    assert clean(clean(text, limit), limit) == clean(text, limit)
    assert "\n" not in one_line(text, limit)
