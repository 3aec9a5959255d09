"""Every page of the console, as addresses below /admin/, and the rows that they show."""

# Run on the server's data after `seed_demo`. It returns the keys that addresses name.
ROWS = """
from datetime import timedelta
from django.contrib.auth.models import Group, User
from django.utils import timezone
from django_q.models import Failure, Schedule, Success
from audit_app.models import AuditLog
from backoffice_app.dashboard.counting import count_figures
from common.worker import HEARTBEAT_FUNC
from sessions_app.models import ServiceKey, UserSession
from uploads_app.models import CleanupRun, QuarantinedObject, UploadedFile
now = timezone.now()
Success.objects.create(
    id="0" * 32, name="beat", func=HEARTBEAT_FUNC, success=True, started=now, stopped=now)
Failure.objects.create(
    id="1" * 32, name="mail administrators", func="uploads_app.tasks.watch_cleanup", success=False,
    started=now - timedelta(hours=3), stopped=now - timedelta(hours=3), attempt_count=2)
for number, name in enumerate(("maria-chat", "document-reader")):
    ServiceKey.objects.create(
        name=name, key_hash=str(number) * 64, scopes=[], expires_at=now + timedelta(days=300))
User.objects.create_user("maria.lopez", is_staff=True, first_name="Maria", last_name="Lopez")
count_figures()
proven = UserSession.objects.filter(
    email_proven=True, status="active", uploads__status="stored", name__startswith="A").first()
over = UploadedFile.objects.filter(status="stored", session__status="reset")
answer = {
    "session": proven.pk,
    "code": proven.support_code,
    "erased": UserSession.objects.filter(status="erased").first().pk,
    "file": (over.first() or UploadedFile.objects.filter(status="stored").first()).pk,
    "event": AuditLog.objects.filter(session_uuid=proven.pk).latest("id").pk,
    "run": CleanupRun.objects.latest("pk").pk,
    "trash": QuarantinedObject.objects.latest("pk").pk,
    "schedule": Schedule.objects.first().pk,
    "failure": "1" * 32,
    "key": ServiceKey.objects.first().pk,
    "user": User.objects.get(username="maria.lopez").pk,
    "group": Group.objects.get(name="Support").pk,
}
"""
_SESSION = "sessions_app/usersession/{session}"
_FILE = "uploads_app/uploadedfile/{file}"
_OF_A_SESSION = (
    "change", "person", "reveal", "revoke", "extend", "recover", "export", "erase",
    "export_person", "erase_person",
)  # fmt: skip
_OF_A_FILE = ("change", "explain", "give", "quarantine", "download", "reveal")
PAGES = {
    "dashboard": "",
    "search": "find/",
    "code-not-found": "open/MAR-7F3-K2Q-X9C",
    "sessions": "sessions_app/usersession/",
    "sessions-none": "sessions_app/usersession/?created_at__lt=2020-01-01",
    **{f"session-{page}": f"{_SESSION}/{page}/" for page in _OF_A_SESSION},
    "certificate": "sessions_app/usersession/{erased}/certificate/",
    "files": "uploads_app/uploadedfile/",
    **{f"file-{page}": f"{_FILE}/{page}/" for page in _OF_A_FILE},
    "audit": "audit_app/auditlog/",
    "audit-filtered": "audit_app/auditlog/?type=session.revoked",
    "audit-event": "audit_app/auditlog/{event}/change/",
    "audit-export": "audit_app/auditlog/export/",
    "runs": "uploads_app/cleanuprun/",
    "run": "uploads_app/cleanuprun/{run}/change/",
    "run-now": "uploads_app/cleanuprun/preview/",
    "trash": "uploads_app/quarantinedobject/",
    "trash-object": "uploads_app/quarantinedobject/{trash}/change/",
    "schedules": "django_q/schedule/",
    "schedule": "django_q/schedule/{schedule}/change/",
    "failed-tasks": "django_q/failure/",
    "failed-task": "django_q/failure/{failure}/change/",
    "keys": "sessions_app/servicekey/",
    "key": "sessions_app/servicekey/{key}/change/",
    "key-add": "sessions_app/servicekey/add/",
    "key-revoke": "sessions_app/servicekey/{key}/revoke/",
    "accounts": "auth/user/",
    "account": "auth/user/{user}/change/",
    "account-add": "auth/user/add/",
    "account-password": "auth/user/{user}/password/",
    "account-delete": "auth/user/{user}/delete/",
    "account-history": "auth/user/{user}/history/",
    "groups": "auth/group/",
    "group": "auth/group/{group}/change/",
    "second-factor": "second-factor/",
    "sign-ins": "sign-ins/",
    "password": "password_change/",
    "password-done": "password_change/done/",
    "not-found": "nothing/",
}
