"""Actions on several files at once, with one reason: on the page of a session, and in the list of files.

Each file is changed and recorded on its own, by the same service and under the
same locks as on its own page. A file that no longer qualifies is left alone, and
the answer names it with the reason.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.defaultfilters import pluralize
from rest_framework.exceptions import APIException

from audit_app.adminkit.actions import Action, ActionRequest, NotDone
from audit_app.adminkit.reasons import ReasonForm
from audit_app.adminkit.results import Undo, result
from backoffice_app import exports
from backoffice_app.case.chosen_files import ChosenFiles, of_session
from backoffice_app.case.files_forms import FilesForm, QuarantinedFilesForm, TransferFilesForm
from sessions_app.models import UserSession
from uploads_app.admin import file_actions
from uploads_app.exceptions import DownloadBlocked
from uploads_app.models import UploadedFile, UploadStatus
from uploads_app.services import transfer
from uploads_app.services.download import open_upload, record_staff_download
from uploads_app.services.inspection import quarantine_upload, restore_upload

# The button Undo names each file, and is kept with the message.
UNDONE_AT_ONCE = 50
_MAY_VIEW = "uploads_app.view_uploadedfile"


@dataclass(frozen=True)
class Outcome:
    """What became of the chosen files: those that were changed, and why others were not."""

    done: Sequence[UploadedFile]
    failed: Sequence[str]


def _each(
    chosen: ChosenFiles,
    action_request: ActionRequest,
    act: Callable[[UploadedFile], None],
) -> Outcome:
    """Apply an act to each chosen file; raises NotDone if it failed for all."""
    if not action_request.request.user.has_perm(_MAY_VIEW):
        raise PermissionDenied
    files = chosen.files.filter(pk__in=action_request.values["chosen"])
    done, failed = [], []
    for upload in files.select_related("session").order_by("created_at"):
        try:
            act(upload)
        except (NotDone, transfer.NotTransferred, APIException) as error:
            failed.append(f"{upload}: {error}")
        else:
            done.append(upload)
    if not done:
        raise NotDone(f"Nothing was done. {' '.join(failed)}")
    return Outcome(done, failed)


def _answer(
    chosen: ChosenFiles, request: HttpRequest, outcome: Outcome, sentence: str, undo: str = ""
) -> HttpResponseBase:
    """Say how many files were changed and which were not, on the page of these files."""
    say = messages.warning if outcome.failed else messages.success
    say(request, result(request, sentence, _undo(chosen, outcome, undo) if undo else None))
    _report(request, outcome.failed)
    return HttpResponseRedirect(chosen.page)


def _undo(chosen: ChosenFiles, outcome: Outcome, name: str) -> Undo | None:
    if len(outcome.done) > UNDONE_AT_ONCE:
        return None
    files = [("chosen", str(one.pk)) for one in outcome.done]
    return Undo(chosen.address(name), "several files", files)


def _report(request: HttpRequest, failed: Iterable[str]) -> None:
    for one in failed:
        messages.error(request, f"Not done: {one}")


def _count(outcome: Outcome, was: str, were: str) -> str:
    number, of = len(outcome.done), len(outcome.done) + len(outcome.failed)
    counted = f"{number} of {of} files" if outcome.failed else f"{number} file{pluralize(number)}"
    return f"{counted} {was if number == 1 else were}"


def _quarantine(chosen: ChosenFiles, action_request: ActionRequest) -> HttpResponseBase:
    def act(upload: UploadedFile) -> None:
        if not quarantine_upload(upload=upload, reason=action_request.reason):
            raise NotDone("It is not stored any more.")

    outcome = _each(chosen, action_request, act)
    sentence = f"{_count(outcome, 'is', 'are')} in quarantine. Nobody can download them."
    return _answer(chosen, action_request.request, outcome, sentence, "restore")


def _release(chosen: ChosenFiles, action_request: ActionRequest) -> HttpResponseBase:
    def act(upload: UploadedFile) -> None:
        if not restore_upload(upload=upload, reason=action_request.reason):
            raise NotDone("It is not in quarantine any more.")

    outcome = _each(chosen, action_request, act)
    sentence = f"{_count(outcome, 'was', 'were')} released from quarantine."
    return _answer(chosen, action_request.request, outcome, sentence, "quarantine")


def _transfer(chosen: ChosenFiles, action_request: ActionRequest) -> HttpResponseBase:
    target = action_request.values["to"]

    def act(upload: UploadedFile) -> None:
        transfer.transfer_upload(upload=upload, session=target, reason=action_request.reason)

    outcome = _each(chosen, action_request, act)
    sentence = (
        f"{_count(outcome, 'was', 'were')} transferred to {target}. The visitor's open page shows "
        "what was transferred within a minute. If it does not, ask the visitor to reload the page."
    )
    return _answer(chosen, action_request.request, outcome, sentence)


def _download(chosen: ChosenFiles, action_request: ActionRequest) -> HttpResponseBase:
    """Send the files as one ZIP. Each is recorded if it can be opened now."""

    def act(upload: UploadedFile) -> None:
        if upload.status != UploadStatus.STORED:
            raise NotDone("It is not stored any more.")
        try:
            open_upload(upload=upload).close()
        except DownloadBlocked as error:
            raise NotDone("It is blocked for safety.") from error
        record_staff_download(upload=upload, reason=action_request.reason)

    outcome = _each(chosen, action_request, act)
    _report(action_request.request, outcome.failed)
    return exports.zipped_files(outcome.done, name=chosen.name, left_out=outcome.failed)


def _ticked(request: HttpRequest) -> dict[str, Any]:
    """Return the files that are ticked on the page that asks."""
    chosen = request.GET.getlist("chosen")
    return {"chosen": chosen} if chosen else {}


def _has(status: UploadStatus) -> Callable[[UserSession], bool]:
    return lambda session: UploadedFile.objects.filter(session=session, status=status).exists()


def _has_stored_and_is_over(session: UserSession) -> bool:
    return file_actions.is_over(session) and _has(UploadStatus.STORED)(session)


_ONE = {action.name: action for action in file_actions.ACTIONS}


def _several(
    one: str,
    *,
    title: str,
    button: str,
    fits: Callable[[UserSession], bool],
    act: Callable[[ChosenFiles, ActionRequest], HttpResponseBase],
    form: type[FilesForm] = FilesForm,
) -> Action:
    """Return the action on ChosenFiles that corresponds to an action on one file."""
    single = _ONE[one]
    return Action(
        name=f"{one}_files",
        permission=single.permission,
        title=title,
        explanation=single.explanation,
        button=button,
        fits=fits,
        act=act,
        presets=single.presets,
        state=lambda _: "",
        form=form,
        initial=_ticked,
        page="files",
        back="change",
    )


def _on_session(action: Action) -> Action:
    """Return an action on files as an action of their session's page."""

    def form(*args: Any, row: UserSession, **kwargs: Any) -> ReasonForm:
        return action.form(*args, row=of_session(row), **kwargs)

    return replace(
        action,
        act=lambda session, action_request: action.act(of_session(session), action_request),
        form=form,
    )


LIST_ACTIONS = (
    _several(
        "give",
        title="Transfer files",
        button="Transfer these files",
        fits=_has_stored_and_is_over,
        act=_transfer,
        form=TransferFilesForm,
    ),
    _several(
        "download",
        title="Download files",
        button="Download these files",
        fits=_has(UploadStatus.STORED),
        act=_download,
    ),
    _several(
        "quarantine",
        title="Quarantine files",
        button="Put these files in quarantine",
        fits=_has(UploadStatus.STORED),
        act=_quarantine,
    ),
    _several(
        "restore",
        title="Release files",
        button="Release these files",
        fits=_has(UploadStatus.QUARANTINED),
        act=_release,
        form=QuarantinedFilesForm,
    ),
)

SESSION_ACTIONS = tuple(_on_session(action) for action in LIST_ACTIONS)
