"""The canonical text is one line of ASCII that any JSON parser reads back exactly."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_app.canonical import MAX_INTEGER, canonical_text, commitment
from common.text import storable
from tests.cases import cases

VALUES = (
    st.none()
    | st.booleans()
    | st.text()
    | st.integers(min_value=-MAX_INTEGER, max_value=MAX_INTEGER)
)
ROWS = st.dictionaries(st.text(), VALUES | st.dictionaries(st.text(), VALUES))
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates included


@given(ROWS)
def test_a_parser_reads_back_what_was_written(row: dict[str, Any]) -> None:
    assert json.loads(canonical_text(row)) == row


@given(st.dictionaries(ANY_TEXT, ANY_TEXT))
def test_it_is_one_line_of_printable_ascii(row: dict[str, str]) -> None:
    text = canonical_text(row)
    assert text.isascii()
    assert text.isprintable()


@given(ROWS)
def test_the_order_of_keys_does_not_matter(row: dict[str, Any]) -> None:
    swapped = dict(reversed(row.items()))
    assert canonical_text(swapped) == canonical_text(row)
    keys = [key for key, _ in json.loads(canonical_text(row), object_pairs_hook=list)]
    assert keys == sorted(row)


@pytest.mark.parametrize("number", [MAX_INTEGER, -MAX_INTEGER, MAX_INTEGER - 1])
def test_an_integer_that_every_parser_reads_is_accepted(number: int) -> None:
    assert canonical_text({"n": number}) == f'{{"n":{number}}}'


@pytest.mark.parametrize("number", [MAX_INTEGER + 1, -MAX_INTEGER - 1, 10**30])
def test_a_larger_integer_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="too large"):
        canonical_text({"n": number})


@cases("value", [1.0, math.nan, math.inf, -0.0, b"x", [1], (1,), {1}, object(), 1j])
@cases("nested", [False, True])
def test_a_value_of_another_type_is_refused(value: object, nested: bool) -> None:
    with pytest.raises(TypeError):
        canonical_text({"details": {"k": value}} if nested else {"k": value})


def test_a_key_that_is_not_a_string_is_refused() -> None:
    with pytest.raises(TypeError, match="key must be a string"):
        canonical_text({1: "x"})  # type: ignore[dict-item]


@given(st.text(), ROWS, ROWS)
def test_a_commitment_depends_on_the_salt_and_the_values(
    salt: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    salt = salt.encode().hex()
    assert commitment(salt, one) == commitment(salt, dict(reversed(one.items())))
    assert commitment(salt, one) != commitment(salt + "0", one)
    if canonical_text(one) != canonical_text(other):
        assert commitment(salt, one) != commitment(salt, other)


@given(ANY_TEXT, st.integers(min_value=0, max_value=300))
def test_storable_text_fits_and_can_be_encoded(text: str, limit: int) -> None:
    stored = storable(text, limit)
    assert len(stored) == min(len(text), limit)
    assert "\x00" not in stored
    assert stored.encode().decode() == stored
    if "\x00" not in text and text.isascii():
        assert stored == text[:limit]
