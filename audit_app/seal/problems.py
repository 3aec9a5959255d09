"""What can be wrong with the seal: a code, and what an operator does about it."""

from typing import NamedTuple

WHAT_TO_DO = {
    "key_missing": "Restore the key file on the worker host, or create a new key with "
    "`manage.py create_seal_key --replace-lost`.",
    "key_exists": "Use `manage.py create_seal_key --rotate`, or `--replace-lost`.",
    "key_unreadable": "Restore the key file of AUDIT_SEAL_KEY_FILE from a copy.",
    "key_wrong": "Copy the key and the public keys of the host where the key was last changed.",
    "public_keys_unreadable": "Restore the file of AUDIT_SEAL_PUBLIC_KEYS_FILE from a copy.",
    "bit_rot": "Rows read differently twice. Check memory and disks of the database host.",
    "chain_broken": "Run `manage.py verify_audit`. Heads of the seal were changed or deleted. "
    "If only the state of the seal is lost, run `manage.py seal_audit --rebuild-state`.",
    "seal_overdue": "Check in the admin, under Scheduled tasks, why the log is not sealed.",
    "verification_overdue": "Check in the admin, under Scheduled tasks, why it is not verified.",
    "verification_stopped": "Read the sentence, remove the cause, and run `manage.py verify_audit`.",
    "tampered": "Keep a copy of the database. Run `manage.py verify_audit` to see each "
    "difference, and compare with a backup.",
    "warning": "Run `manage.py verify_audit` and read its warnings. If one has an honest cause "
    "and stays, accept it: `manage.py verify_audit --accept`.",
    "anchor_unreachable": "Repair the place of the anchor. The next run writes what is missing.",
    "anchor_differs": "The anchor has other heads: the database was restored or its chain was "
    "replaced. Run `manage.py verify_audit --anchor`.",
}


class SealProblem(Exception):
    """The log cannot be sealed, anchored or verified; the code is one of WHAT_TO_DO."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Known(NamedTuple):
    """A problem as a column of the state has it."""

    code: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}" if self.code else ""

    @classmethod
    def of(cls, text: str) -> "Known":
        code, _, sentence = text.partition(": ")
        return cls(code, sentence)
