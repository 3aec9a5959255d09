"""The forms of actions on several files of a session: which files, where to, and why."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html

from audit_app.adminkit.reasons import ReasonForm
from sessions_app.models import UserSession
from uploads_app.admin import file_actions
from uploads_app.models import UploadedFile, UploadStatus
from uploads_app.services import transfer

AT_ONCE = 200


def files_in(session: UserSession, status: UploadStatus) -> QuerySet[UploadedFile]:
    """Return a session's newest files in one state."""
    files = UploadedFile.objects.filter(session=session, status=status)
    return files.select_related("session").order_by("-created_at")[:AT_ONCE]


class FilesForm(ReasonForm):
    """The files, all of them chosen at first, and the reason."""

    status = UploadStatus.STORED
    chosen = forms.MultipleChoiceField(
        label="Files",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one file."},
    )
    field_order = ["chosen", "to", "sure", "why", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shown = files_in(self.row, self.status)
        choices = [(str(file.pk), self._label_of(file)) for file in shown]
        field = self.fields["chosen"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = choices
        known = [pk for pk, _ in choices]
        selected = self.initial.get("chosen") or ()
        self.initial["chosen"] = [pk for pk in known if pk in selected] or known

    def _label_of(self, file: UploadedFile) -> str:
        size = filesizeformat(file.size)
        if getattr(self.row, "is_revealed", False) and file.name:
            return format_html("<span data-personal>{}</span>, {}", file.name, size)
        return f"{file}, {size}"


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
        if follower := transfer.live_follower(session=self.row):
            self.initial.setdefault("to", follower.support_code)
            self.fields["to"].help_text = "The session that followed this one in the same browser."
            if self.data.get("to", follower.support_code) == follower.support_code:
                del self.fields["sure"]

    def clean_to(self) -> UserSession:
        target = file_actions.TransferTarget(
            UploadedFile(session=self.row), self.cleaned_data["to"]
        )
        if target.target is None:
            raise forms.ValidationError(target.error)
        return target.target

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        target = values.get("to")
        if target and not values.get("sure"):
            relation = transfer.relation(session=self.row, other=target)
            if not relation.is_proof:
                words = file_actions.RELATIONS[relation]
                field = "sure" if "sure" in self.fields else "to"
                self.add_error(field, f"{words} Verify this first, then tick the box.")
        return values
