"""Renames a file without replacing another: in one step where the system can.

A link and a removal are two steps. A process that is frozen between them deletes a
file that another process has renamed back meanwhile.
"""

import ctypes
import errno
import filecmp
import os
import secrets
import shutil
from pathlib import Path

_AT_FDCWD = -100
_NOREPLACE = 1
# Of systems without it, of file systems without it, and of seccomp profiles.
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def rename(source: Path, target: Path) -> None:
    """Rename a file. FileNotFoundError if it is absent, FileExistsError if the target has other bytes.

    After an interruption the file has one of the names, or both; then call it again.
    """
    try:
        if not _rename_in_one_step(source, target):
            os.link(source, target, follow_symlinks=False)
            _replace(source, target)
    except FileExistsError:
        if not filecmp.cmp(source, target, shallow=False):
            raise
        _replace(source, target)


def _rename_in_one_step(source: Path, target: Path) -> bool:
    """Rename a file if nothing has the new name; False if the system cannot do this in one step."""
    if _renameat2 is None:
        return False
    names = os.fsencode(source), os.fsencode(target)
    if not _renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _NOREPLACE):
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(source), None, str(target))


def _replace(source: Path, target: Path) -> None:
    """Remove the old name of a file that has both names, or whose target has the same bytes.

    The target becomes a file of its own first: if both names are one file, a rename does nothing.
    """
    copy = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        shutil.copy2(source, copy)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        copy.replace(target)
    finally:
        copy.unlink(missing_ok=True)
    source.replace(target)
