"""What staff do with a file, and what its page says of it in words."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from django import forms
from django.http import FileResponse
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime

from audit_app.adminkit.actions import Action, ActionRequest, NotDone
from audit_app.adminkit.reasons import ReasonForm
from sessions_app.models import SessionStatus, UserSession, kept_until
from sessions_app.uuid_helpers import parse_support_code
from uploads_app import services
from uploads_app.cleanup.explanation import Explanation
from uploads_app.downloads import attachment
from uploads_app.exceptions import DownloadBlocked, ObjectMissing
from uploads_app.inspection.file_types import KNOWN_TYPES
from uploads_app.models import VISIBLE, UploadedFile, UploadStatus
from uploads_app.services import transfer
from uploads_app.services.transfer import SessionRelation

# What each known type is called: its first extension.
TYPE_NAMES: dict[str, str] = {}
for _extension, _content_type in KNOWN_TYPES.items():
    TYPE_NAMES.setdefault(_content_type, _extension.upper())
_DELETION_REASONS = {
    "visitor": "Its visitor deleted it.",
    "retention": "Its session ended longer ago than files are kept.",
    "erased": "Its session was erased.",
}
_MEANINGS = {
    UploadStatus.PENDING: "It is on its way: the visitor does not see it yet.",
    UploadStatus.MISSING: "The visitor sees it and can delete it, but its bytes are not in storage.",
    UploadStatus.QUARANTINED: "The visitor sees it and can delete it, but nobody can download it.",
    UploadStatus.DELETING: "The visitor does not see it any more; its bytes go with the next cleanup.",
    UploadStatus.LAPSED: "Its upload never finished: the visitor never had it here.",
    UploadStatus.REJECTED: "It was refused when it had arrived: it is no file that may be sent.",
}
_BONDS = {
    SessionRelation.FOLLOWS: "The second session follows the first: the same browser left one for the other.",
    SessionRelation.SAME_PERSON: "Both sessions have proven the same e-mail address.",
    SessionRelation.CLAIMED: "Both sessions name the same e-mail address, but not both have proven it. "
    "Anybody can write an address.",
    SessionRelation.NONE: "Nothing links these two sessions. Whoever told you the code gets the file.",
}


def is_over(session: UserSession) -> bool:
    """Say whether a session's time has run out, whether or not that has been recorded."""
    return session.status != SessionStatus.ACTIVE or session.expires_at <= timezone.now()


def session_in_words(session: UserSession) -> str:
    """Return a session's state as support says it."""
    recorded = session.status != SessionStatus.ACTIVE
    return session.get_status_display().lower() if recorded or not is_over(session) else "expired"


def meaning(upload: UploadedFile) -> str:
    """Say what a file's state means for its visitor."""
    if upload.status == UploadStatus.DELETED:
        since = f"Its bytes are gone since {_at(upload.deleted_at)}."
        return f"{since} {_DELETION_REASONS.get(upload.delete_reason, '')}".strip()
    if upload.status in VISIBLE and is_over(upload.session):
        return _kept(upload)
    if upload.status != UploadStatus.STORED:
        return _MEANINGS[UploadStatus(upload.status)]
    try:
        services.refuse_blocked_download(upload=upload)
    except DownloadBlocked as error:
        return f"The visitor sees it, but cannot download it: {error}"
    return "The visitor sees it and can download it."


def _kept(upload: UploadedFile) -> str:
    until = _at(kept_until(upload.session))
    kept = f"Its session is over, so the visitor does not see it. It is kept until {until}"
    if upload.status == UploadStatus.STORED:
        return f"{kept}, and can be given to the session that the visitor has now."
    state = upload.get_status_display().lower()
    return f"{kept}, but it is {state}, so it cannot be given to another session."


def _at(moment: datetime | None) -> str:
    return date_format(localtime(moment), "DATETIME_FORMAT") if moment else "an unknown time"


def silent_fields(upload: UploadedFile) -> set[str]:
    """Return the fields of a file's page that have nothing to say of this one."""
    values = {
        "came_from": upload.restored_from_id,
        "transferred_to": transfer.living_copy(upload=upload),
        "lease_expires_at": upload.status == UploadStatus.PENDING,
        "stored_at": upload.stored_at,
        "deleted_at": upload.deleted_at,
        "delete_reason": upload.delete_reason,
        "inspected_at": upload.inspected_at,
        "found_inside": upload.suspicions,
    }
    return {name for name, value in values.items() if not value}


def facts(explained: Explanation) -> list[tuple[str, str]]:
    """Return what is known of a key, each with its name, as staff read it."""
    evidence = explained.evidence.items()
    return [(name, _as_text(value)) for name, value in evidence if name != "events"]


def history(explained: Explanation) -> list[tuple[datetime, str, str, dict[str, Any]]]:
    """Return the events of a key: when, what, by whom, and the details."""
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
    if not services.quarantine_upload(upload=upload, reason=action_request.reason):
        raise NotDone("This file is not stored any more, so nothing was done.")
    return f"{upload} is in quarantine: nobody can download it."


def _restore(upload: UploadedFile, action_request: ActionRequest) -> str:
    if not services.restore_upload(upload=upload, reason=action_request.reason):
        raise NotDone("This file is not in quarantine any more, so nothing was done.")
    return f"{upload} is given back to its session."


def _download(upload: UploadedFile, action_request: ActionRequest) -> FileResponse:
    """Hand a file out from here, even if visitors fetch theirs from storage.

    An address in storage would carry the file's name, and the admin's policy
    sends forms nowhere else.
    """
    if upload.status not in VISIBLE:
        raise NotDone("This file's bytes are gone or are about to go: there is nothing to read.")
    try:
        response = attachment(upload)
    except ObjectMissing as error:
        raise NotDone("Its bytes are not in storage. Explain says what is known.") from error
    except DownloadBlocked as error:
        raise NotDone(f"{upload} was not handed out: it is held back for safety.") from error
    services.record_staff_download(upload=upload, reason=action_request.reason)
    return response


class GiveForm(ReasonForm):
    """Why a file is given to another session, and that both are one visitor's if nothing shows it."""

    sure = forms.BooleanField(
        label="I have made sure that both sessions are this visitor's",
        error_messages={"required": "Make sure first, and say so here."},
        help_text="For example: the visitor told you what is in the file, and both support codes.",
    )

    def __init__(self, *args: Any, is_proven: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_proven:
            del self.fields["sure"]


@dataclass(frozen=True)
class TransferTarget:
    """A file, and the session that it is to be given to: the one asked for, or the one that follows."""

    upload: UploadedFile
    requested_code: str = ""

    @cached_property
    def target(self) -> UserSession | None:
        if not self.requested_code:
            return transfer.live_follower(session=self.upload.session)
        code = parse_support_code(self.requested_code)
        return UserSession.objects.filter(support_code=code).first() if code else None

    @cached_property
    def bond(self) -> SessionRelation:
        return (
            transfer.bond(session=self.upload.session, other=self.target)
            if self.target
            else SessionRelation.NONE
        )

    @property
    def bond_in_words(self) -> str:
        return _BONDS[self.bond]

    @property
    def sessions(self) -> list[tuple[str, UserSession, str]]:
        """Both sessions, each with its part and its state."""
        both = [("From", self.upload.session), ("To", self.target)]
        return [(part, one, session_in_words(one)) for part, one in both if one]

    @property
    def error(self) -> str:
        """Why there is no session to give to, if a code was asked for."""
        if self.target or not self.requested_code:
            return ""
        if parse_support_code(self.requested_code) is None:
            return "That is no support code: a symbol is missing, wrong or swapped with another."
        return "No session has this support code."

    def action(self, action: Action) -> Action:
        """Return the action as it is for these two sessions."""
        return replace(
            action,
            act=self._give,
            state=lambda upload: f"{upload.status} {self.target and self.target.pk}",
            form=partial(GiveForm, is_proven=self.bond.is_proof),
        )

    def _give(self, upload: UploadedFile, action_request: ActionRequest) -> str:
        assert self.target
        try:
            transfer.give_upload(upload=upload, session=self.target, reason=action_request.reason)
        except transfer.NotGiven as why:
            raise NotDone(str(why)) from why
        return f"{upload} is given to {self.target}: the visitor's page shows it now."


def _ask_for_target(upload: UploadedFile, action_request: ActionRequest) -> str:
    raise NotDone("Choose the session first.")


ACTIONS = (
    Action(
        name="give",
        permission="uploads_app.restore_uploadedfile",
        title="Give to the visitor's session",
        explanation="A copy of the file goes into the session that the visitor has now, where it "
        "takes its part of the quota. This file stays as it is until its time is over. Both "
        "histories tell it.",
        button="Give the file to this session",
        fits=lambda upload: upload.status == UploadStatus.STORED and is_over(upload.session),
        act=_ask_for_target,
        presets=(
            "The visitor's session expired",
            "The visitor began anew by mistake",
            "The visitor changed the device or browser",
        ),
    ),
    Action(
        name="download",
        permission="uploads_app.download_uploadedfile",
        title="Download",
        explanation="You get the file as its visitor stored it, to be kept. Open it only where a "
        "bad file can do no harm. That you have read it, and why, stands in the audit log and in "
        "the visitor's own history.",
        button="Download this file",
        fits=lambda upload: upload.status == UploadStatus.STORED,
        act=_download,
        presets=(
            "The visitor asked me to look",
            "The visitor cannot open the file",
            "To look into abuse",
        ),
    ),
    Action(
        name="quarantine",
        permission="uploads_app.quarantine_uploadedfile",
        title="Quarantine",
        explanation="Neither the visitor nor a service can download the file from now on. The "
        "visitor still sees it, can still delete it, and it takes its part of the quota. It can "
        "be given back.",
        button="Put this file in quarantine",
        fits=lambda upload: upload.status == UploadStatus.STORED,
        act=_quarantine,
    ),
    Action(
        name="restore",
        permission="uploads_app.quarantine_uploadedfile",
        title="Give back",
        explanation="The visitor and services can download the file again, unless what is found "
        "inside holds it back (HOLD_DOWNLOADS).",
        button="Give this file back",
        fits=lambda upload: upload.status == UploadStatus.QUARANTINED,
        act=_restore,
    ),
)
