"""The form in which staff state a reason before an action."""

from collections.abc import Sequence
from typing import Any

from django import forms

# The reasons of every action that has no better ones.
PRESETS = ("Visitor asked", "Abuse", "Legal or data request")
REVEAL_PRESETS = (
    "The visitor asked me to check",
    "To compare with what the caller says",
    "To find a lost file",
    "To investigate abuse",
)
MAX_LENGTH = 200
_OTHER = "other"


class ReasonForm(forms.Form):
    """A reason, chosen from presets or written; colleagues read it in the session's history.

    `row` is the row that the action changes. `seen` is the row's state when the
    page was rendered: if it has changed since, the page asks again.
    """

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    why = forms.ChoiceField(label="Reason", required=False, widget=forms.RadioSelect)
    reason = forms.CharField(
        label="In your words",
        required=False,
        max_length=MAX_LENGTH,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text="Colleagues read this in the audit log, and the visitor reads it in an export. Do "
        "not name or quote the visitor.",
    )

    def __init__(
        self, *args: Any, presets: Sequence[str] = (), row: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
        why = self.fields["why"]
        assert isinstance(why, forms.ChoiceField)
        if presets:
            why.choices = [*((preset, preset) for preset in presets), (_OTHER, "Other…")]
        else:
            del self.fields["why"]
            self.fields["reason"].label = "Reason"

    def clean(self) -> dict[str, Any]:
        """Join the preset and the written words into one `reason`."""
        values = super().clean() or {}
        chosen = values.get("why", "")
        parts = ("" if chosen == _OTHER else chosen, values.get("reason", "").strip())
        values["reason"] = ": ".join(part for part in parts if part)
        if not values["reason"] and not self.errors:
            self.add_error("reason", "Choose a reason or write one.")
        elif len(values["reason"]) > MAX_LENGTH:
            self.add_error(
                "reason",
                f"Shorten the text: with the chosen reason it is longer than {MAX_LENGTH} characters.",
            )
        return values
