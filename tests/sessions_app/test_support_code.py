"""Support codes: format, check symbol, typing errors, parsing."""

import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.iso7064 import mod_37_36

from sessions_app.uuid_helpers import CROCKFORD, generate_support_code, parse_support_code
from tests.cases import cases
from tests.helpers import SOAK

SHAPE = re.compile("MAR-[0-9A-HJKMNP-TV-Z]{3}-[0-9A-HJKMNP-TV-Z]{3}-[0-9A-HJKMNP-TV-Z]{3}")
EXAMPLES = 2_000 if SOAK else 200


def spelled(symbols: str) -> str:
    return f"MAR-{symbols[:3]}-{symbols[3:6]}-{symbols[6:]}"


def whole(body: str) -> str | None:
    """Return the code of eight symbols, or None if its check symbol is not allowed."""
    check = mod_37_36.calc_check_digit(body)
    return spelled(body + check) if check in CROCKFORD else None


codes = st.text(CROCKFORD, min_size=8, max_size=8).map(whole).filter(bool)


def test_codes_have_their_shape_and_check_out() -> None:
    made = {generate_support_code() for _ in range(2000)}

    assert len(made) == 2000
    for code in made:
        assert SHAPE.fullmatch(code)
        assert parse_support_code(code) == code


def test_every_symbol_is_drawn_and_no_ambiguous_one() -> None:
    drawn = {symbol for _ in range(2000) for symbol in generate_support_code()[4:]} - {"-"}

    assert drawn == set(CROCKFORD) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


@settings(max_examples=EXAMPLES, deadline=None)
@given(codes)
def test_every_single_wrong_symbol_is_detected(code: str) -> None:
    symbols = code[4:].replace("-", "")
    for place, wrong in itertools.product(range(9), CROCKFORD):
        if wrong != symbols[place]:
            assert (
                parse_support_code(spelled(symbols[:place] + wrong + symbols[place + 1 :])) is None
            )


def test_swapped_neighbours_are_detected_except_for_a_measured_share() -> None:
    """Try all pairs at each place: MOD 37,36 detects nearly all swaps, not all."""
    swaps = missed = 0
    for place, pair in itertools.product(range(7), itertools.permutations(CROCKFORD, 2)):
        body = "7F3K2QX9"
        body = body[:place] + "".join(pair) + body[place + 2 :]
        code = whole(body)
        if code is None:
            continue
        symbols = code[4:].replace("-", "")
        swapped = symbols[:place] + symbols[place + 1] + symbols[place] + symbols[place + 2 :]
        swaps += 1
        missed += parse_support_code(spelled(swapped)) is not None

    assert swaps > 5000
    print(f"adjacent swaps noticed: {1 - missed / swaps:.2%} of {swaps}")
    assert missed / swaps < 0.01


@settings(max_examples=EXAMPLES, deadline=None)
@given(codes, st.data())
def test_codes_can_be_read_aloud_and_typed_as_people_do(code: str, data: st.DataObject) -> None:
    spoken = "".join(
        data.draw(st.sampled_from({"0": "0Oo", "1": "1IiLl"}.get(s, s + s.lower())))
        for s in code[4:].replace("-", "")
    )
    gaps = data.draw(
        st.lists(st.sampled_from(["", " ", "-", " - ", "\N{EN DASH}", "."]), min_size=9, max_size=9)
    )
    prefix = data.draw(st.sampled_from(["", "MAR-", "mar ", "Mar"]))

    typed = prefix + "".join(gap + symbol for gap, symbol in zip(gaps, spoken, strict=True))

    assert parse_support_code(typed) == code


def test_a_code_that_starts_like_the_prefix_is_read_with_and_without_it() -> None:
    code = next(
        c
        for tail in itertools.product(CROCKFORD, repeat=2)
        if (c := whole("MAR7F3" + "".join(tail)))
    )

    assert parse_support_code(code) == code
    assert parse_support_code(code.removeprefix("MAR-")) == code


@cases("text", ["", "MAR", "MAR-", "MAR-7F3-K2Q", "hello", "MAR-7F3-K2Q-X9H-7", "' OR 1=1"])
def test_other_text_is_not_a_code(text: str) -> None:
    assert parse_support_code(text) is None


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text())
def test_no_text_makes_the_reader_fail(text: str) -> None:
    code = parse_support_code(text)

    assert code is None or SHAPE.fullmatch(code)
