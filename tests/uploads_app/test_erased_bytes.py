"""After an erasure no erased word is left in the database's own files, the store or the logs."""

import sqlite3
import struct
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from audit_app.models import AuditPersonal
from common import deleted_rows
from sessions_app import tasks
from sessions_app.models import EmailCode, UserSession
from tests.backoffice_app.pages import page_of, shown_text
from tests.helpers import Visitor, events, pdf
from tests.maria_project.server import wait_for
from tests.sessions_app.people import database_dump, erase, identify, log_lines
from tests.uploads_app.test_erase import store_dump
from uploads_app.models import UploadedFile

# In lower case: the product stores some of them folded.
EARLIER_NAME, EARLIER_EMAIL, NAME, EMAIL = "quokkaheim", "wombatsee", "zebrafink", "dugongtal"
FILE, DELETED_FILE, BROWSER, ADDRESS = (
    "numbatweg",
    "potoroo-hof",
    "bilbyfuchs",
    "2001:db8::c0a:1bee",
)
WORDS = (EARLIER_NAME, EARLIER_EMAIL, NAME, EMAIL, FILE, DELETED_FILE, BROWSER, ADDRESS)
LEAF = 13


def planted() -> Visitor:
    """Return a visitor who has left the eight words."""
    visitor = Visitor(REMOTE_ADDR=ADDRESS, HTTP_USER_AGENT=f"Mozilla/5.0 {BROWSER}")
    visitor.start()
    identify(visitor, name=f"Anna {EARLIER_NAME}", email=f"{EARLIER_EMAIL}@mail.example")
    identify(visitor, name=f"Anna {NAME}", email=f"{EMAIL}@mail.example")
    first = visitor.upload(pdf(FILE), f"{FILE}.pdf")
    second = visitor.upload(pdf(DELETED_FILE), f"{DELETED_FILE}.pdf")
    assert (first.status_code, second.status_code) == (201, 201)
    visitor.delete_upload(second.json()["id"])
    dumped = (database_dump() + store_dump()).lower()
    assert [word for word in WORDS if word not in dumped] == [EARLIER_NAME]
    return visitor


def found_in(data: bytes, words: tuple[str, ...] = WORDS) -> list[str]:
    return [word for word in words if word.encode() in data.lower()]


def sqlite_bytes() -> bytes:
    """Return every byte of the database's own files."""
    name = str(connection.settings_dict["NAME"])
    files = [path for suffix in ("", "-wal", "-shm") if (path := Path(name + suffix)).exists()]
    assert len(files) == 3
    return b"".join(path.read_bytes() for path in files)


def certificate(support: Client, visitor: Visitor) -> str:
    return shown_text(support.get(page_of(visitor.row, "certificate")).content.decode())


@pytest.mark.both
def test_t94_no_erased_word_is_left_when_the_certificate_says_finished(
    committed: None, make_staff: Any
) -> None:
    support = make_staff("Support")
    with log_lines() as lines:
        visitor = planted()
        assert erase(visitor).status_code == 204
        text = certificate(support, visitor)
    assert "Finished: all personal data and all files of 1 session" in text
    assert found_in((database_dump() + store_dump() + lines.getvalue()).encode()) == []
    if connection.vendor == "sqlite":
        assert found_in(sqlite_bytes()) == []
        assert "unused space" not in text
    else:
        assert found_in(planner_samples().encode()) == []
        assert "unused space in the files of PostgreSQL" in text
        wait_for(lambda: found_in(vacuumed_bytes()) == [], what="VACUUM FULL to remove the rows")


def planner_samples() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM pg_stats")
        return repr(cursor.fetchall())


def vacuumed_bytes() -> bytes:
    """Return every byte of the files of all tables and indexes, after a VACUUM FULL.

    It keeps dead rows while an older transaction runs, for example autovacuum's.
    """
    models = (UserSession, EmailCode, AuditPersonal, UploadedFile)
    tables = ["pg_statistic", *(model._meta.db_table for model in models)]
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"VACUUM FULL {table}")
        cursor.execute("CHECKPOINT")
        cursor.execute(
            "SELECT pg_read_binary_file(path)"
            " FROM (SELECT pg_relation_filepath(oid) AS path FROM pg_class) AS files"
            " WHERE path IS NOT NULL"
        )
        return b"".join(bytes(content) for (content,) in cursor.fetchall())


def test_t94_copies_that_a_split_page_left_behind_are_overwritten(committed: None) -> None:
    """SQLite moves rows to another page, and leaves their bytes in the unused part of the old one.

    Which rows cannot be foreseen, so this test writes the bytes there itself.
    """
    visitor = planted()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with Path(str(connection.settings_dict["NAME"])).open("r+b") as file:
        file.seek(unused_place(file.read(), len(NAME)))
        file.write(NAME.encode())
    assert erase(visitor).status_code == 204
    assert found_in(sqlite_bytes()) == []


def unused_place(database: bytes, wanted: int) -> int:
    """Return the position of a gap between the pointers and the cells of a leaf of a table.

    https://sqlite.org/fileformat2.html#b_tree_pages
    """
    size = int.from_bytes(database[16:18], "big")
    for start in range(size, len(database), size):
        kind, cells, content = (
            database[start],
            *struct.unpack(">HH", database[start + 3 : start + 7]),
        )
        gap = start + 8 + 2 * cells
        if kind == LEAF and start + content - gap > wanted + 100:
            return int(gap + 50)
    raise AssertionError("no page has a gap")


def test_t94_an_erasure_waits_until_no_connection_reads_old_pages(committed: None) -> None:
    visitor = planted()
    name = str(connection.settings_dict["NAME"])
    with closing(sqlite3.connect(name, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sessions_app_usersession").fetchone()
        assert erase(visitor).status_code == 204
        assert tasks.forget_visitors() == 0
        assert visitor.row.erased_at is None
        assert "session.erased" not in events(visitor.uuid)
        assert found_in(sqlite_bytes())
        reader.execute("COMMIT")
    assert tasks.forget_visitors() == 1
    assert events(visitor.uuid)[-1] == "session.erased"
    assert found_in(sqlite_bytes()) == []


def test_t94_idle_connections_of_other_threads_do_not_prevent_it(committed: None) -> None:
    """Each thread of the web server keeps its connection for a minute, and so does the worker."""
    visitor = planted()
    opened, done = threading.Barrier(9), threading.Event()

    def idle() -> None:
        with transaction.atomic():
            UserSession.objects.count()
        opened.wait(30)
        done.wait(30)
        connection.close()

    threads = [threading.Thread(target=idle) for _ in range(8)]
    for thread in threads:
        thread.start()
    opened.wait(30)
    assert erase(visitor).status_code == 204
    done.set()
    for thread in threads:
        thread.join()
    assert visitor.row.erased_at is not None
    assert found_in(sqlite_bytes()) == []


def test_t94_a_request_does_not_rewrite_a_large_database(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleted_rows, "IN_REQUEST_BYTES", 1000)
    visitor = planted()
    assert erase(visitor).status_code == 204
    assert visitor.row.erased_at is None
    assert tasks.forget_visitors() == 1
    assert visitor.row.erased_at is not None
    assert found_in(sqlite_bytes()) == []
