"""Texts that people write: only characters that deceive are removed, on every Python the same."""

import unicodedata

import pytest

from common.text import form_file_name, showable
from tests.cases import cases

# What decision 62 lists, as the first and last code point of each range.
REMOVED = (
    "0000-001F 007F-009F 00AD 061C 200B 200E-200F 2028-202E 2060-206F D800-DFFF FDD0-FDEF FEFF"
    " FFF0-FFFB FFFE-FFFF E0000-E00FF E01F0-E0FFF"
)
# Marks, and letters that are composed of others, of Unicode 15 to 18.
NEW_MARKS = (
    "05C8-05C9 0897 1ACF-1AF0 105C9 105D2 105DA 105E4 10D69-10D6D 10ECB-10ECF 10EF0-10EFB"
    " 10EFD-10EFF 11382-11385 1138B 1138E 11390-11391 113B8 113BB 113C2 113C5 113C7-113C9"
    " 113CE-113D0 11F41-11F42 1611E-16129 1612F 16D63 16D67-16D6A 1D127-1D128 1D250-1D252"
    " 1D25B-1D25C 1D25F 1D280-1D281 1E08F 1E4EC-1E4EF 1E5EE-1E5EF 1E6E3 1E6E6 1E6EE-1E6EF 1E6F5"
)
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


def characters(ranges: str) -> set[str]:
    """Return the characters of ranges like `0041-005A 007F`."""
    bounds = [[int(end, 16) for end in one.split("-")] for one in ranges.split()]
    return {chr(code) for ends in bounds for code in range(ends[0], ends[-1] + 1)}


def test_t101_only_the_listed_characters_are_removed() -> None:
    ends_of_planes = {chr(plane + end) for plane in range(0x10000, 0x110000, 0x10000)
                      for end in (0xFFFE, 0xFFFF)}  # fmt: skip
    removed = {chr(code) for code in range(0x110000) if showable(f"a{chr(code)}b") == "ab"}
    assert removed == characters(REMOVED) | ends_of_planes


def test_the_unicode_version_of_python_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer normalization would change these marks; here it shows by capital letters."""
    monkeypatch.setattr(unicodedata, "normalize", lambda _, part: part.upper())
    monkeypatch.setattr(unicodedata, "category", lambda _: pytest.fail("a table was read"))
    for mark in characters(NEW_MARKS):
        assert showable(f"x{mark}{mark}y") == f"X{mark}{mark}Y"


@cases(
    ("given", "shown"),
    [
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("\u1820\u180e\u1820\u180b", "\u1820\u180e\u1820\u180b"),
        (f"{SCOTLAND} team", f"{SCOTLAND} team"),
        (SCOTLAND[1:], ""),
        ("ignore\U000e0069\U000e0067 this", "ignore this"),
        ("❤\ufe0f 葛\U000e0100", "❤\ufe0f 葛\U000e0100"),
        ("fdp\u202e.exe\u2066", "fdp.exe"),
        ("e\u0301 \U0001f600e\u0301", "é \U0001f600é"),
        ("\u200d\ufe0f \u2800\u3164", ""),
        (" \t\u3000", ""),
    ],
)
def test_what_a_reader_needs_is_kept(given: str, shown: str) -> None:
    assert showable(given) == shown
    assert showable(shown) == shown


@cases(
    ("sent", "name"),
    [
        ("a%22b%0D%0A.pdf", 'a"b\r\n.pdf'),
        ("50%20%2222%.pdf", '50%20"22%.pdf'),
        ("%0a%2522.pdf", "%0a%2522.pdf"),
        ("&#26085;&#x672c;&amp;.pdf", "日本&.pdf"),
        ("R&D &notes &copyright.pdf", "R&D &notes &copyright.pdf"),
    ],
)
def test_only_what_browsers_escape_is_undone(sent: str, name: str) -> None:
    assert form_file_name(sent) == name
