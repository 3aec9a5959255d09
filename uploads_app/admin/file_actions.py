"""The actions of staff on a file, and the texts of its page."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from django import forms
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime

from audit_app.adminkit.actions import Action, ActionRequest, NotDone
from audit_app.adminkit.reasons import ReasonForm
from sessions_app.models import SessionStatus, UserSession, kept_until
from sessions_app.uuid_helpers import parse_support_code
from uploads_app.cleanup.explanation import Explanation
from uploads_app.downloads import attachment
from uploads_app.exceptions import DownloadBlocked, ObjectMissing
from uploads_app.inspection.file_types import KNOWN_TYPES
from uploads_app.models import VISIBLE, UploadedFile, UploadStatus
from uploads_app.services import transfer
from uploads_app.services.download import record_staff_download, refuse_blocked_download
from uploads_app.services.inspection import quarantine_upload, restore_upload
from uploads_app.services.transfer import SessionRelation

# The name of each known type: its first extension.
TYPE_NAMES: dict[str, str] = {}
for _extension, _content_type in KNOWN_TYPES.items():
    TYPE_NAMES.setdefault(_content_type, _extension.upper())
_DELETION_REASONS = {
    "visitor": "Its visitor deleted it.",
    "retention": "The retention of its session was over.",
    "erased": "Its session was erased.",
}
_MEANINGS = {
    UploadStatus.PENDING: "The upload is in progress. The visitor does not see it yet.",
    UploadStatus.MISSING: "The visitor sees it and can delete it, but its object is not in the store.",
    UploadStatus.QUARANTINED: "The visitor sees it and can delete it, but nobody can download it.",
    UploadStatus.DELETING: "The visitor does not see it any more. The next cleanup run deletes its object.",
    UploadStatus.LAPSED: "The upload did not finish. The visitor never saw this file.",
    UploadStatus.REJECTED: "The upload was refused: its type or size is not allowed.",
}
RELATIONS = {
    SessionRelation.FOLLOWS: "The second session followed the first in the same browser.",
    SessionRelation.SAME_PERSON: "Both sessions have verified the same e-mail address.",
    SessionRelation.CLAIMED: "Both sessions have the same e-mail address, but at least one did not verify "
    "it. Anybody can enter an address.",
    SessionRelation.NONE: "Nothing links these two sessions. The person with this support code gets the file.",
}


def is_over(session: UserSession) -> bool:
    """Say whether a session has ended or its time is over, recorded or not."""
    return session.status != SessionStatus.ACTIVE or session.expires_at <= timezone.now()


def session_in_words(session: UserSession) -> str:
    recorded = session.status != SessionStatus.ACTIVE
    return session.get_status_display().lower() if recorded or not is_over(session) else "expired"


def meaning(upload: UploadedFile) -> str:
    """Return what the state of a file means for its visitor."""
    if upload.status == UploadStatus.DELETED:
        since = f"It was deleted on {_at(upload.deleted_at)}."
        return f"{since} {_DELETION_REASONS.get(upload.delete_reason, '')}".strip()
    if upload.status in VISIBLE and is_over(upload.session):
        return _kept(upload)
    if upload.status != UploadStatus.STORED:
        return _MEANINGS[UploadStatus(upload.status)]
    try:
        refuse_blocked_download(upload=upload)
    except DownloadBlocked as error:
        return f"The visitor sees it, but cannot download it: {error}"
    return "The visitor sees it and can download it."


def _kept(upload: UploadedFile) -> str:
    until = _at(kept_until(upload.session))
    kept = f"Its session has ended, so the visitor does not see it. It is kept until {until}"
    if upload.status == UploadStatus.STORED:
        return f"{kept} and can be transferred to the visitor's current session."
    state = upload.get_status_display().lower()
    return f"{kept}. It is {state}, so it cannot be transferred to another session."


def _at(moment: datetime | None) -> str:
    return date_format(localtime(moment), "DATETIME_FORMAT") if moment else "an unknown time"


def silent_fields(upload: UploadedFile) -> set[str]:
    """Return the fields that are empty for this file and left out of its page."""
    values = {
        "came_from": upload.restored_from_id,
        "transferred_to": transfer.live_copy(upload=upload),
        "lease_expires_at": upload.status == UploadStatus.PENDING,
        "stored_at": upload.stored_at,
        "deleted_at": upload.deleted_at,
        "delete_reason": upload.delete_reason,
        "inspected_at": upload.inspected_at,
        "found_inside": upload.suspicions,
    }
    return {name for name, value in values.items() if not value}


def facts(explained: Explanation) -> list[tuple[str, str]]:
    """Return the evidence about a key as names and texts."""
    evidence = explained.evidence.items()
    return [(name, _as_text(value)) for name, value in evidence if name != "events"]


def history(explained: Explanation) -> list[tuple[datetime, str, str, dict[str, Any]]]:
    """Return the events of a key: time, event, actor, details."""
    rows = [dict(event) for event in explained.evidence["events"]]
    return [(row.pop("at"), row.pop("event"), row.pop("by"), row) for row in rows]


def _as_text(value: Any) -> str:
    if isinstance(value, dict):
        parts = {name: part for name, part in value.items() if part not in (None, "")}
        return "\n".join(f"{name.replace('_', ' ')}: {_part(name, parts[name])}" for name in parts)
    return "none" if value is None else str(value)


def _part(name: str, value: Any) -> str:
    if isinstance(value, datetime):
        return _at(value)
    return filesizeformat(value) if name == "size" else str(value)


def _quarantine(upload: UploadedFile, action_request: ActionRequest) -> str:
    if not quarantine_upload(upload=upload, reason=action_request.reason):
        raise NotDone("This file is not stored any more. Nothing was changed.")
    return f"{upload} is in quarantine. Nobody can download it."


def _restore(upload: UploadedFile, action_request: ActionRequest) -> str:
    if not restore_upload(upload=upload, reason=action_request.reason):
        raise NotDone("This file is not in quarantine any more. Nothing was changed.")
    return f"{upload} was released from quarantine."


def _download(upload: UploadedFile, action_request: ActionRequest) -> HttpResponseBase:
    """Send a file to staff, without a redirect to the store.

    A URL of the store would contain the file name, and the Content-Security-Policy
    of the admin does not allow forms to lead to another host.
    """
    if upload.status not in VISIBLE:
        raise NotDone("This file is deleted or about to be deleted, so it cannot be downloaded.")
    try:
        response = attachment(upload)
    except ObjectMissing as error:
        raise NotDone("Its object is not in the store. Open “Explain” for details.") from error
    except DownloadBlocked as error:
        raise NotDone(f"{upload} was not downloaded: it is blocked for safety.") from error
    record_staff_download(upload=upload, reason=action_request.reason)
    return response


class TransferForm(ReasonForm):
    """The reason of a transfer, and a confirmation if nothing proves that the visitor is the same."""

    sure = forms.BooleanField(
        label="I have verified that both sessions belong to this visitor",
        error_messages={"required": "Verify this first, then tick the box."},
        help_text="For example, the visitor knows the content of the file and both support codes.",
    )

    def __init__(self, *args: Any, is_proven: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_proven:
            del self.fields["sure"]


def session_with_code(text: str) -> UserSession:
    """Return the session with this support code; raises ValueError with a sentence for staff."""
    code = parse_support_code(text)
    if code is None:
        raise ValueError(
            "This is not a valid support code. A character is missing, wrong or in the wrong place."
        )
    session = UserSession.objects.filter(support_code=code).first()
    if session is None:
        raise ValueError("No session has this support code.")
    return session


@dataclass(frozen=True)
class TransferTarget:
    """A file and the session to transfer it to: by its support code, or the one that followed."""

    upload: UploadedFile
    requested_code: str = ""

    @cached_property
    def _found(self) -> tuple[UserSession | None, str]:
        if not self.requested_code:
            return transfer.live_follower(session=self.upload.session), ""
        try:
            return session_with_code(self.requested_code), ""
        except ValueError as error:
            return None, str(error)

    @property
    def target(self) -> UserSession | None:
        return self._found[0]

    @property
    def error(self) -> str:
        """Why no session was found for the entered code."""
        return self._found[1]

    @cached_property
    def relation(self) -> SessionRelation:
        return (
            transfer.relation(session=self.upload.session, other=self.target)
            if self.target
            else SessionRelation.NONE
        )

    @property
    def relation_in_words(self) -> str:
        return RELATIONS[self.relation]

    @property
    def sessions(self) -> list[tuple[str, UserSession, str]]:
        both = [("From", self.upload.session), ("To", self.target)]
        return [(part, one, session_in_words(one)) for part, one in both if one]

    def action(self, action: Action) -> Action:
        return replace(
            action,
            act=self._transfer,
            state=lambda upload: f"{upload.status} {self.target and self.target.pk}",
            form=partial(TransferForm, is_proven=self.relation.is_proof),
        )

    def _transfer(self, upload: UploadedFile, action_request: ActionRequest) -> str:
        assert self.target
        try:
            transfer.transfer_upload(
                upload=upload, session=self.target, reason=action_request.reason
            )
        except transfer.NotTransferred as why:
            raise NotDone(str(why)) from why
        return (
            f"{upload} was transferred to {self.target}. The visitor's open page shows it within a "
            "minute. If it does not, ask the visitor to reload the page."
        )


def _ask_for_target(upload: UploadedFile, action_request: ActionRequest) -> str:
    raise NotDone("Choose the session first.")


ACTIONS = (
    Action(
        name="give",
        permission="uploads_app.restore_uploadedfile",
        title="Transfer to the visitor's current session",
        explanation="Copies the file into the visitor's current session, where it counts against "
        "the quota. This file stays until its retention is over. Both sessions record the transfer.",
        button="Transfer the file to this session",
        fits=lambda upload: upload.status == UploadStatus.STORED and is_over(upload.session),
        act=_ask_for_target,
        presets=(
            "The visitor's session expired",
            "The visitor started a new session by mistake",
            "The visitor changed the device or browser",
        ),
    ),
    Action(
        name="download",
        permission="uploads_app.download_uploadedfile",
        title="Download",
        explanation="Downloads the file as the visitor stored it. Open it only on a computer where a "
        "malicious file can do no harm. The download and your reason are recorded in the audit log "
        "and in the visitor's history.",
        button="Download this file",
        fits=lambda upload: upload.status == UploadStatus.STORED,
        act=_download,
        presets=(
            "The visitor asked me to check the file",
            "The visitor cannot open the file",
            "Investigation of abuse",
        ),
    ),
    Action(
        name="quarantine",
        permission="uploads_app.quarantine_uploadedfile",
        title="Quarantine",
        explanation="Nobody can download the file from now on, neither the visitor nor a service. The "
        "visitor still sees it and can delete it, and it counts against the quota. You can release "
        "it later.",
        button="Put this file in quarantine",
        fits=lambda upload: upload.status == UploadStatus.STORED,
        act=_quarantine,
        undo="restore",
    ),
    Action(
        name="restore",
        permission="uploads_app.quarantine_uploadedfile",
        title="Release from quarantine",
        explanation="The visitor and services can download the file again, unless its inspection "
        "blocks it (HOLD_DOWNLOADS).",
        button="Release this file",
        fits=lambda upload: upload.status == UploadStatus.QUARANTINED,
        act=_restore,
        undo="quarantine",
    ),
)
