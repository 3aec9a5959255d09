"""Judge a PDF. Runs in the process of program.py only."""

import logging
from contextlib import suppress
from typing import Any

from pypdf.errors import DependencyError, LimitReachedError
from pypdf.generic import DictionaryObject, StreamObject

from uploads_app.inspection.pdf_reader import Guesses, SoundReader, dictionaries, readings, within
from uploads_app.inspection.pdf_streams import ALL_BYTES, TooExpensive, expanded_size
from uploads_app.inspection.pdf_suspicions import suspicions_of

_EXPENSIVE = (TooExpensive, LimitReachedError, MemoryError, RecursionError)


class Malformed(Exception):
    """No way to read the file works without a guess."""


def judge(content: bytes) -> dict[str, Any]:
    """Return the verdict on a PDF and its suspicions."""
    try:
        suspicions = sorted(suspicions_in(content))
    except _EXPENSIVE:
        return {"verdict": "unreadable", "suspicions": ["too_expensive"]}
    except Exception:  # a parser fails in more ways than it documents
        return {"verdict": "unreadable", "suspicions": ["malformed"]}
    return {"verdict": "suspect" if suspicions else "clean", "suspicions": suspicions}


def suspicions_in(content: bytes) -> set[str]:
    """Return the suspicions about a PDF; raises Malformed, or what `_EXPENSIVE` lists.

    If bytes precede the header, readers disagree about where offsets count
    from: each way that works is inspected.
    """
    found: list[set[str]] = []
    errors: list[Exception] = []
    for reading in readings(content):
        try:
            found.append(_read(reading))
        except _EXPENSIVE:
            raise
        except Exception as error:  # a parser fails in more ways than it documents
            errors.append(error)
    if not found:
        raise Malformed(errors)
    return set().union(*found)


def _read(content: bytes) -> set[str]:
    """Return the suspicions of one reading; raises any exception if it needs a guess."""
    guesses = Guesses()
    logger = logging.getLogger("pypdf")
    logger.addHandler(guesses)
    try:
        reader = SoundReader(content)
        if reader.is_encrypted:
            return {"encrypted"}
        found = _suspicions(reader)
    except DependencyError:  # a cipher for which pypdf needs another library
        return {"encrypted"}
    finally:
        logger.removeHandler(guesses)
    if guesses.found:
        raise Malformed(guesses.found)
    return found | _unlisted_suspicions(reader)


def _suspicions(reader: SoundReader) -> set[str]:
    """Inspect every object of the file, not only those that a viewer is known to reach."""
    if not reader.get_num_pages():
        raise Malformed("there is no page")
    found: set[str] = set()
    expanded = 0
    for value in dictionaries(reader):
        found.update(suspicions_of(value))
        if isinstance(value, StreamObject):
            expanded += expanded_size(value)
            if expanded > ALL_BYTES:
                raise TooExpensive
    return found


def _unlisted_suspicions(reader: SoundReader) -> set[str]:
    """Inspect what the tables do not list, as far as it can be read."""
    found: set[str] = set()
    for value in within(reader.unlisted()):
        if isinstance(value, DictionaryObject):
            with suppress(Exception):
                found.update(suspicions_of(value))
    return found
