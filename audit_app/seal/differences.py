"""What a verification finds: each difference has a code and a place."""

from typing import NamedTuple

# Differences that can have an honest cause. Everything else is tampering.
WARNINGS = {
    "clock": "The clock of the database was set back or ahead.",
    "key_replaced": "A lost key was replaced: the key before does not name the new one.",
    "seal_overdue": "Rows wait for longer than an hour, or no head was made for two hours.",
    "anchor_behind": "The anchor lacks heads that were written to it.",
    "anchor_invalid": "The anchor has something that is not a head signed by a trusted key.",
}
TAMPERING = {
    "head_missing": "A head is missing.",
    "head_changed": "The row of a head was changed.",
    "head_signature": "The signature of a head is not valid.",
    "unknown_key": "A head is signed by a key that is not trusted.",
    "retired_key": "A head is signed by a key that another one had replaced.",
    "chain_broken": "A head does not continue the one before.",
    "tail_cut": "The newest heads are missing.",
    "batch_changed": "The row of a batch was changed, added or removed.",
    "batch_root": "Rows of a batch were changed: their texts do not give its root.",
    "row_missing": "A sealed row is missing.",
    "row_inserted": "A row is in no batch, although later rows are sealed.",
    "row_doubled": "A row is in two batches.",
    "column_changed": "A column differs from the text.",
    "text_changed": "The text is not that of an event.",
    "class_changed": "The class of a row is not that of its batch or of its type.",
    "old_time": "A row has a time long before it was sealed.",
    "personal_changed": "A personal part does not fit its commitment.",
    "personal_added": "There is a personal part without a commitment or without a row.",
    "personal_missing": "A personal part is missing without an erasure.",
    "anchor_ahead": "An anchor has heads that the database lacks.",
    "anchor_differs": "An anchor has another head of this number.",
}


class Difference(NamedTuple):
    """A difference, its place like `row 812` or `head 7`, and what differs."""

    code: str
    place: str
    detail: str = ""

    @property
    def name(self) -> str:
        return f"{self.code} at {self.place}"

    @property
    def is_warning(self) -> bool:
        return self.code in WARNINGS

    def __str__(self) -> str:
        sentence = {**WARNINGS, **TAMPERING}[self.code]
        return f"{self.name}: {sentence}" + (f" {self.detail}" if self.detail else "")
