"""What an adoption will do, as an operator reads it before confirming."""

from dataclasses import dataclass

from django.template.defaultfilters import filesizeformat


@dataclass(frozen=True)
class AdoptionPlan:
    """What an adoption will do, counted in advance."""

    code: str
    reason: str
    erasures: int
    recovered: int
    bytes_recovered: int
    finished: int
    strangers: int
    trashed: int
    missing: int
    returned: int
    restored: int

    def lines(self) -> list[str]:
        return [
            f"The cleanup stops because: {self.reason}",
            "The adoption will:",
            f"  erase {self.erasures} sessions again that were erased after the backup;",
            f"  restore {self.recovered} files ({filesizeformat(self.bytes_recovered)}) that the "
            "database does not know to their sessions, named “recovered”;",
            f"  complete {self.finished} uploads that were in progress at the time of the backup;",
            f"  leave {self.strangers} objects of unknown sessions where they are; the cleanup will "
            "move them to the trash;",
            f"  record {self.trashed} objects in the trash that the database does not know, with a "
            "full TRASH_RETENTION from now;",
            f"  leave {self.missing} files without an object; the cleanup will mark them as missing;",
            "  delete no file for its retention until UPLOAD_RETENTION has passed once more;",
            f"  move {self.returned} objects of known files from the trash back to their keys;",
            f"  record {self.restored} objects as restored that left the trash after the backup.",
        ]
