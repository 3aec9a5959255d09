"""Find what is suspect about one dictionary of a PDF. Runs in the process of pdf.py only.

The names are those of ISO 32000-2; a few are of older versions.
"""

import re
from collections.abc import Iterator
from typing import Any

from pypdf.generic import (
    ArrayObject,
    ByteStringObject,
    DictionaryObject,
    NameObject,
    StreamObject,
    TextStringObject,
)

# Actions (/S), and kinds of annotation, stream and dictionary (/Subtype, /Type).
_BY_NAME = {
    "/S": {
        "/JavaScript": "javascript",
        "/EnableJavaScripts": "javascript",
        "/Launch": "opens_files",
        "/GoToR": "opens_files",
        "/GoToE": "opens_files",
        "/SubmitForm": "sends_data",
        "/ImportData": "sends_data",
        "/Rendition": "multimedia",
        "/Movie": "multimedia",
        "/Sound": "multimedia",
        "/RichMediaExecute": "multimedia",
        "/GoTo3DView": "multimedia",
    },
    "/Subtype": {
        "/FileAttachment": "embedded_file",
        "/RichMedia": "multimedia",
        "/3D": "multimedia",
        "/Screen": "multimedia",
        "/Movie": "multimedia",
        "/Sound": "multimedia",
    },
    "/Type": {
        "/EmbeddedFile": "embedded_file",
        "/Rendition": "multimedia",
        "/MediaClip": "multimedia",
        "/3D": "multimedia",
    },
}
_BY_KEY = {
    "/JS": "javascript",
    "/JavaScript": "javascript",
    "/EmbeddedFiles": "embedded_file",
    "/EF": "embedded_file",
    "/Collection": "embedded_file",
    "/XFA": "dynamic_form",
    "/OPI": "opens_files",
}
# The forms that the name of another file can have (ISO 32000-2, 7.11).
_FILE_KEYS = ("/F", "/UF", "/DOS", "/Mac", "/Unix")
_SPECIFICATION = {
    *_FILE_KEYS,
    "/FS",
    "/ID",
    "/V",
    "/RF",
    "/Desc",
    "/CI",
    "/AFRelationship",
    "/Thumb",
}
_STRINGS = (TextStringObject, ByteStringObject)
# A share is a link too: \\server\folder or //server/folder.
_ODD_LINK = re.compile(r"(?!https?:|mailto:|tel:)([a-z][a-z0-9+.-]*:|[\\/]{2})", re.IGNORECASE)
_BYTE_ORDER_MARKS = ("\xfe\xff", "\xff\xfe", "\xef\xbb\xbf")
# Additional actions that follow a click; all others run unasked.
_CLICKS = ("/D", "/U")
_ACTIONS = 1000


def suspicions_of(value: Any) -> Iterator[str]:
    """Yield why one dictionary is suspect."""
    for key, suspicion in _BY_KEY.items():
        if key in value:
            yield suspicion
    for key, names in _BY_NAME.items():
        if (name := _name(value, key)) in names:
            yield names[name]
    if _refers_to_a_file(value):
        yield "opens_files"
    if any(map(_is_odd, _links(value))):
        yield "odd_link"
    if any(_opens_an_address(action) for action in _automatic(value)):
        yield "opens_address"


def _refers_to_a_file(value: Any) -> bool:
    """Say whether the content of a dictionary or stream, or its target, is in another file."""
    if isinstance(value, StreamObject) and _is_file(value, "/F"):
        return True
    if _name(value, "/S") == "/Thread" and _is_file(value, "/F"):
        return True
    if "/EF" not in value and any(_is_file(value, key) for key in _named_files(value)):
        return True
    # A reference XObject shows a page of another file.
    reference = value["/Ref"] if "/Ref" in value else None  # noqa: SIM401  (`get` resolves nothing)
    return isinstance(reference, DictionaryObject) and _is_file(reference, "/F")


def _named_files(value: Any) -> list[str]:
    """Return the keys under which a dictionary names a file, if it is a file specification.

    Without a type it is one if it can be nothing else. An address without a
    type belongs to an action or a stream, which is found by that.
    """
    if _name(value, "/Type") in ("/Filespec", "/FileSpec", "/F"):
        return list(_FILE_KEYS)
    if value.keys() <= _SPECIFICATION and _name(value, "/FS") != "/URL":
        return [key for key in _FILE_KEYS if isinstance(value.get(key), _STRINGS)]
    return []


def _is_file(value: Any, key: str) -> bool:
    """Say whether an entry is a file specification, not a flag or the short name of a filter."""
    return key in value and isinstance(value[key], (*_STRINGS, DictionaryObject))


def _name(value: Any, key: str) -> str:
    # `value[key]` resolves a reference, where `get` would not.
    name = value[key] if key in value else ""  # noqa: SIM401
    return str(name) if isinstance(name, NameObject) else ""


def _links(value: Any) -> Iterator[Any]:
    """Yield the target of an action, or the base of all relative targets."""
    if "/URI" in value:
        link = value["/URI"]
        if isinstance(link, DictionaryObject):
            link = link["/Base"] if "/Base" in link else ""  # noqa: SIM401
        yield link


def _is_odd(link: Any) -> bool:
    # The bytes as they are in the file: as PDFDocEncoding, some control characters become accents.
    raw = getattr(link, "original_bytes", b"").decode("latin-1")
    return any(_ODD_LINK.match(_bare(text)) for text in (str(link), raw))


def _bare(text: str) -> str:
    """Return a link without white space and control characters, which programs ignore."""
    for mark in _BYTE_ORDER_MARKS:
        text = text.removeprefix(mark)
    return "".join(char for char in text if char.isprintable() and not char.isspace())


def _automatic(value: Any) -> Iterator[Any]:
    """Yield the actions of a dictionary that run without a click."""
    if "/OpenAction" in value:
        yield value["/OpenAction"]
    if "/AA" in value and isinstance(actions := value["/AA"], DictionaryObject):
        yield from (actions[event] for event in actions if event not in _CLICKS)


def _opens_an_address(action: Any) -> bool:
    """Say whether an action, or one that follows it, opens an address."""
    waiting, seen = [action], 0
    while waiting and seen < _ACTIONS:
        seen += 1
        one = waiting.pop()
        if isinstance(one, ArrayObject):
            waiting.extend(item.get_object() for item in list.__iter__(one))
        elif isinstance(one, DictionaryObject):
            if _name(one, "/S") == "/URI":
                return True
            if "/Next" in one:
                waiting.append(one["/Next"])
    return False
