"""The forms of actions on several files: which files, where to, and why."""

from typing import Any

from django import forms
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html

from audit_app.adminkit.reasons import ReasonForm
from backoffice_app.case.chosen_files import ChosenFiles
from sessions_app.models import UserSession
from uploads_app.admin import file_actions
from uploads_app.models import UploadedFile, UploadStatus
from uploads_app.services import transfer


class FilesForm(ReasonForm):
    """The files, all of them chosen at first, and the reason. `row` is ChosenFiles."""

    row: ChosenFiles
    status = UploadStatus.STORED
    chosen = forms.MultipleChoiceField(
        label="Files",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one file."},
    )
    field_order = ["chosen", "to", "sure", "why", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(file.pk), self._label_of(file)) for file in self.row.newest(self.status)]
        field = self.fields["chosen"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = choices
        known = [pk for pk, _ in choices]
        selected = self.initial.get("chosen") or ()
        self.initial["chosen"] = [pk for pk in known if pk in selected] or known
        if not known:
            field.help_text = (
                f"No chosen file is {self.status.label.lower()}. Tick files in the list first."
            )

    def _label_of(self, file: UploadedFile) -> str:
        facts = ", ".join(filter(None, [filesizeformat(file.size), self._session_of(file)]))
        if self.row.is_revealed and file.name:
            return format_html("<span data-personal>{}</span>, {}", file.name, facts)
        return f"{file}, {facts}"

    def _session_of(self, file: UploadedFile) -> str:
        return "" if self.row.code else f"session {file.session}"


class QuarantinedFilesForm(FilesForm):
    status = UploadStatus.QUARANTINED


class TransferFilesForm(FilesForm):
    """The files, the session that gets them, and a confirmation if nothing links the two."""

    to = forms.CharField(
        label="Support code of the visitor's current session",
        max_length=40,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )
    sure = forms.BooleanField(
        label="I have verified that both sessions belong to this visitor",
        required=False,
        help_text="Not needed if both sessions have verified the same e-mail address.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if follower := self._follower():
            self.initial.setdefault("to", follower.support_code)
            self.fields["to"].help_text = "The session that followed in the same browser."
            if self.data.get("to", follower.support_code) == follower.support_code:
                del self.fields["sure"]

    def _follower(self) -> UserSession | None:
        """Return the one live session that followed those of all files."""
        sessions = UserSession.objects.filter(pk__in=self.row.files.values("session"))
        followers = {transfer.live_follower(session=session) for session in sessions}
        return followers.pop() if len(followers) == 1 else None

    def clean_to(self) -> UserSession:
        try:
            return file_actions.session_with_code(self.cleaned_data["to"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        target, chosen = values.get("to"), values.get("chosen")
        if target and chosen and not values.get("sure"):
            sessions = UserSession.objects.filter(uploads__in=chosen).distinct()
            relations = [transfer.relation(session=one, other=target) for one in sessions]
            if unproven := [relation for relation in relations if not relation.is_proof]:
                words = file_actions.RELATIONS[unproven[0]]
                field = "sure" if "sure" in self.fields else "to"
                self.add_error(field, f"{words} Verify this first, then tick the box.")
        return values
