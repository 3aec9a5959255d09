"""What staff say to the visitor about a file or an event, ready to copy. docs/support.md has the same texts."""

from audit_app.events import activity
from audit_app.models import AuditLog
from sessions_app.services import privacy
from uploads_app.admin.file_actions import is_over
from uploads_app.exceptions import DownloadBlocked
from uploads_app.models import UploadedFile, UploadStatus
from uploads_app.services.download import refuse_blocked_download

FILE_ANSWERS = {
    "stored": "The file is there. You can see and download it while the session is active.",
    "stored, session over": "We still have the file. It belongs to a session that has ended, and we can transfer it to your current session.",
    "stored, download blocked": "The file is there, but its download is blocked by the safety check.",
    "pending": "The upload is in progress, or the connection broke. If it is not finished in 15 minutes, please send the file again.",
    "lapsed": "The upload did not finish. Please send the file again.",
    "rejected": "The file was refused. Please check its type and size, and send it again.",
    "missing": "We cannot find the content of the file. Please send it again.",
    "quarantined": "The file is blocked for safety. Nobody can download it.",
    "deleting": "The file was deleted.",
    "deleted by the visitor": "You deleted the file.",
    "deleted after its retention": "The file was deleted, because the time for which we keep files after the end of a session was over.",
    "deleted by an erasure": "The file was deleted when the data of the session was erased.",
}
REFUSAL_ANSWERS = {
    "type_not_allowed": "This type of file cannot be uploaded.",
    "name_not_allowed": "The name of the file cannot be used. Please rename the file and send it again.",
    "file_too_large": "The file is too large.",
    "content_mismatch": "The content of the file does not match the ending of its name. Please save it as the right type and send it again.",
    "upload.quota_exceeded": "There is no room left for this file. Please delete another file first, and send it again.",
    "ratelimit.exceeded": "There were too many requests in a short time. Please try again after a minute.",
}
_DELETED = {
    "visitor": "deleted by the visitor",
    "retention": "deleted after its retention",
    "erased": "deleted by an erasure",
}


def answer_about_file(upload: UploadedFile) -> str:
    """Return a sentence for the visitor about a file. It contains no name."""
    return FILE_ANSWERS[_case(upload)]


def answer_about_event(log: AuditLog, file: str = "") -> str:
    """Return a sentence for the visitor about an event of their session. `file` is its visible name."""
    code = str(log.details.get("code", ""))
    answer = REFUSAL_ANSWERS.get(code) or REFUSAL_ANSWERS.get(log.event_type)
    return answer or activity(log.event_type, who=privacy.who(log), file=file)


def _case(upload: UploadedFile) -> str:
    if upload.status == UploadStatus.DELETED:
        return _DELETED.get(upload.delete_reason, "deleting")
    if upload.status != UploadStatus.STORED:
        return str(upload.status)
    if is_over(upload.session):
        return "stored, session over"
    try:
        refuse_blocked_download(upload=upload)
    except DownloadBlocked:
        return "stored, download blocked"
    return "stored"
