"""One step of the admin benchmark, in its own process with its own settings; prints one JSON object.

`python -m benchmarks.admin_steps sign_in` creates a signed-in superuser and chooses the rows to
request; `… fill_auditlog` writes as many rows for django-auditlog as the audit log has.
"""

import json
import sys
from typing import Any

import django


def sign_in() -> dict[str, Any]:
    """Return the cookie of a new superuser, and the targets."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_superuser("bench"))
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value}
    return {"cookie": cookie, "csrf_cookie": settings.CSRF_COOKIE_NAME, **_targets()}


def fill_auditlog() -> dict[str, Any]:
    """Write an entry of django-auditlog, with the same time, for each row of the audit log."""
    from auditlog.models import LogEntry
    from django.contrib.auth.models import User
    from django.contrib.contenttypes.models import ContentType
    from django.db import connection

    from sessions_app.models import UserSession

    kind = ContentType.objects.get_for_model(UserSession)
    staff = User.objects.order_by("pk").values_list("pk", flat=True)[0]
    with connection.cursor() as cursor:
        cursor.execute(_ENTRIES, {"kind": kind.pk, "staff": staff})
        cursor.execute("VACUUM ANALYZE auditlog_logentry")
    return {"entries": LogEntry.objects.count()}


def tidy() -> dict[str, Any]:
    """Vacuum and analyse every table, and count its rows."""
    from django.db import connection

    from audit_app.models import AuditLog
    from backoffice_app.dashboard.counting import count_figures
    from sessions_app.models import UserSession
    from uploads_app.models import UploadedFile

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    count_figures()
    counted = (UserSession, UploadedFile, AuditLog)
    return {
        str(model._meta.verbose_name_plural): model._default_manager.count() for model in counted
    }


def _targets() -> dict[str, Any]:
    """Return rows from the middle of the history: a session with an e-mail address and a file."""
    from audit_app.models import AuditLog
    from sessions_app.models import UserSession
    from uploads_app.models import UploadedFile

    known = UploadedFile.objects.filter(status="stored", session__email__gt="")
    upload = known.select_related("session").order_by("created_at")[known.count() // 2]
    session = upload.session
    stored = AuditLog.objects.filter(
        session_uuid=session.pk, event_type="upload.stored", personal__isnull=False
    )[0]
    return {
        "session": str(session.pk),
        "upload": str(upload.pk),
        "event": stored.pk,
        "code": session.support_code,
        "wrong_code": _wrong_code(session.support_code),
        "email": session.email,
        "name": session.name.split()[0],
        "file_name": upload.name.split()[0],
        "sha256": upload.sha256,
        "address": _busiest_address(),
        "request": stored.request_id,
        "deep_session": _far_behind(UserSession, "created_at"),
        "deep_file": _far_behind(UploadedFile, "created_at"),
        "deep_event": _far_behind(AuditLog, "occurred_at"),
    }


def _busiest_address() -> str:
    """Return the address of the most visitors: in a small history no other fills a page."""
    from django.db.models import Count

    from audit_app.models import AuditPersonal

    seen = AuditPersonal.objects.filter(log__actor="visitor").exclude(address="")
    counted = seen.values("address").annotate(visitors=Count("log__session_uuid", distinct=True))
    address: str = counted.order_by("-visitors", "address")[0]["address"]
    return address


def _wrong_code(code: str) -> str:
    """Return a support code with one wrong symbol."""
    from sessions_app.uuid_helpers import CROCKFORD

    wrong = CROCKFORD[(CROCKFORD.index(code[5]) + 7) % len(CROCKFORD)]
    return f"{code[:5]}{wrong}{code[6:]}"


def _far_behind(model: Any, column: str) -> str:
    """Return the key at the start of page 400 of 50 rows, or of the last page."""
    newest = model._default_manager.order_by(f"-{column}", "-pk")
    row = newest[min(400 * 50, newest.count() - 60)]
    return f"after~{model._meta.get_field(column).value_to_string(row)}~{row.pk}"


_ENTRIES = """
INSERT INTO auditlog_logentry
  (content_type_id, object_pk, object_repr, action, changes_text, changes, actor_id, remote_addr,
   "timestamp", cid)
SELECT %(kind)s, coalesce(session_uuid::text, ''), coalesce(session_uuid::text, ''), id %% 3, '',
  jsonb_build_object('status', jsonb_build_array('None', event_type)),
  CASE WHEN actor LIKE 'staff:%%' THEN %(staff)s END, NULL, occurred_at, request_id
FROM audit_app_auditlog
"""
STEPS = {"sign_in": sign_in, "fill_auditlog": fill_auditlog, "tidy": tidy}


def main(name: str) -> None:
    """Run a step without a statement timeout."""
    django.setup()
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    print(json.dumps(STEPS[name]()))


if __name__ == "__main__":
    main(*sys.argv[1:])
