"""A test whose program is missing is skipped on a desk, and fails in CI, which installs everything."""

import pytest

from tests.need import need


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)]
)
def test_a_missing_program(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="nowhere is missing: apt-get install packages"):
        need("nowhere", "packages")
    assert need("sh", "dash").endswith("/sh")
