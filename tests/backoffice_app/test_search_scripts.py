"""The search finds names with joiners and new characters, in rows of every version."""

import pytest
from django.test import Client

from sessions_app.models import UserSession
from tests.backoffice_app.search_box import found
from tests.helpers import Visitor, uploaded
from uploads_app.models import UploadedFile

pytestmark = pytest.mark.both

NAME, FILE = "مهدی\u200cزاده رضا\u200cپور", "می\u200cخواهم.pdf"
BEFORE, FILE_BEFORE = NAME.replace("\u200c", ""), FILE.replace("\u200c", "")


def test_names_are_found_with_and_without_their_joiners(visitor: Visitor, support: Client) -> None:
    visitor.identify(name=NAME)
    file = uploaded(visitor, name=FILE)
    assert (visitor.row.name, file.name) == (NAME, FILE)
    for stored, file_name in ((NAME, FILE), (BEFORE, FILE_BEFORE)):
        UserSession.objects.update(name=stored)
        UploadedFile.objects.update(name=file_name)
        for term in (NAME, BEFORE, NAME.split()[1], BEFORE.split()[1], "مهدی\u200c", "مهدی"):
            assert found(support, term, [visitor.row]) == [visitor.row], (stored, term)
        for term in (FILE, FILE_BEFORE, FILE[:4]):
            assert found(support, term, [file]) == [file], (file_name, term)


def test_a_row_that_lost_new_characters_is_found(visitor: Visitor, support: Client) -> None:
    visitor.identify(name="\U0001fae8 Zeno")
    assert found(support, "\U0001fae8 zeno", [visitor.row]) == [visitor.row]
    UserSession.objects.update(name="Zeno")
    assert found(support, "\u06dd Zeno", [visitor.row]) == [visitor.row]
    assert found(support, "\u200c\u200d", [visitor.row]) == []
    assert found(support, "\u06dd", [visitor.row]) == []
