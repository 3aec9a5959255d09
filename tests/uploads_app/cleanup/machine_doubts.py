"""Moves of the cleanup's state machine that a run must doubt, in a class of their own.

Two live copies of one database, a store that was set back, a marker of another
deployment, a quota that does not fit, and a clock that jumps. Each move ends with
what an operator does, so that all other moves can follow.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from sessions_app.tasks import expire_sessions, forget_visitors
from tests.helpers import Visitor, started
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    DatabaseCopy,
    age_log,
    cleanup,
    last_run,
    quotas_fit,
)
from uploads_app.models import IN_QUOTA, StoreState, UploadedFile, UploadQuota

MINUTE = timedelta(minutes=1)
PICKS = st.integers(0, 10**6)
_MARKERS = ['{"id": "another", "generation": 7}', "{", None]
_QUOTAS = [(0, 0), (0, 10**6), (3, 0), (99, 10**9)]


class DoubtfulMoves(RuleBasedStateMachine):
    """Needs these members of the machine."""

    root: Path
    elapsed: timedelta
    kept_until: timedelta
    rowless: dict[str, Any]
    is_refusing = False

    def pass_time(self, by: timedelta) -> None:
        raise NotImplementedError

    def set_clock_ahead(self, by: timedelta) -> None:
        raise NotImplementedError

    def _live(self) -> list[Visitor]:
        raise NotImplementedError

    def _upload(self, visitor: Visitor) -> None:
        raise NotImplementedError

    def _delete(self, pick: int) -> None:
        raise NotImplementedError

    def _erase(self, pick: int) -> None:
        raise NotImplementedError

    def _marker(self) -> int:
        raise NotImplementedError

    def _files(self) -> dict[str, bytes]:
        raise NotImplementedError

    def _all_is_well(self) -> None:
        raise NotImplementedError

    def _keep_from_retention(self) -> None:
        raise NotImplementedError

    @precondition(lambda self: self._marker() > 1)
    @rule(
        move=st.sampled_from(["copies", "set back", "other store", "quota", "clock"]),
        pick=PICKS,
        what=st.sampled_from(["upload", "delete", "erase"]),
        flag=st.booleans(),
    )
    def doubt(self, move: str, pick: int, what: str, flag: bool) -> None:
        """One rule for all: each takes several runs, and all others should be as frequent."""
        match move:
            case "copies":
                self._two_live_copies(pick, copy_first=flag)
            case "set back":
                self._set_the_store_back(pick, what)
            case "other store":
                self._mistake_the_store(pick, _MARKERS[pick % len(_MARKERS)], what)
            case "quota":
                self._spoil_a_quota(pick, _QUOTAS[pick % len(_QUOTAS)], what)
            case "clock":
                self._jump(40 if pick % 2 else 2, sweeps=flag)

    def _two_live_copies(self, pick: int, *, copy_first: bool) -> None:
        """Both stop before one of them touches what only the other one knows."""
        if self.rowless:  # the adoption would recover their files
            return
        self._complete_a_run()
        copy = DatabaseCopy()
        self._upload_somewhere(pick)
        if copy_first:
            with copy.live():
                assert self._run() == ""
        else:
            assert self._run() == ""
        before = self._files()
        codes: list[str] = []
        for of_copy in (not copy_first, copy_first) * 2:
            self.pass_time(31 * MINUTE)
            with copy.live() if of_copy else nullcontext():
                codes.append(self._run())
        assert codes == ["store_ahead", *["database_forked"] * 3]
        assert self._files() == before
        self._adopt()

    def _set_the_store_back(self, pick: int, what: str) -> None:
        """Nothing is done in the old state of the store, and the right one loses nothing."""
        self._complete_a_run()
        old = self.root.with_name(f"{self.root.name}-old")
        shutil.copytree(self.root, old)
        self._upload_somewhere(pick)
        self._complete_a_run()
        with self._mounted(old):
            self._nothing_happens("store_behind", pick, what)
        self._finish_what_waited()

    def _mistake_the_store(self, pick: int, content: str | None, what: str) -> None:
        """A store of another deployment, or a folder whose disk is not mounted."""
        self._complete_a_run()
        other = self.root.with_name(f"{self.root.name}-other")
        other.mkdir()
        if content is not None:
            (other / "marker.json").write_text(content)
        code = {None: "marker_missing", "{": "marker_unreadable"}.get(content, "marker_foreign")
        with self._mounted(other):
            self._nothing_happens(code, pick, what)
        self._finish_what_waited()

    def _spoil_a_quota(self, pick: int, wrong: tuple[int, int], what: str) -> None:
        """The next use of the quota corrects it, and is not disturbed by it."""
        quotas = UploadQuota.objects.filter(session__in=[v.uuid for v in self._live()])
        right = {quota.pk: (quota.files, quota.bytes) for quota in quotas}
        quotas.update(files=wrong[0], bytes=wrong[1])
        self._act(what, pick)
        for uuid, (files, size) in right.items():
            unused = UploadQuota.objects.filter(pk=uuid, files=wrong[0], bytes=wrong[1])
            if _bytes_of(uuid) == size:  # nor has it lost its only file
                unused.update(files=files, bytes=size)
        assert quotas_fit()

    def _jump(self, days: int, *, sweeps: bool) -> None:
        """A run with a clock that jumped ahead changes nothing, whatever was recorded before it."""
        self._complete_a_run()
        self.set_clock_ahead(days * DAY)
        age_log(days * DAY)
        try:
            if sweeps:
                expire_sessions()
            started()
            before = self._files()
            assert [self._run(), self._run()] == ["clock_jumped"] * 2
            assert self._files() == before
        finally:
            self.set_clock_ahead(-days * DAY)
            age_log(-days * DAY)
        self._complete_a_run()

    # Helpers --------------------------------------------------------------------

    def _act(self, what: str, pick: int) -> None:
        match what:
            case "upload":
                self._upload_somewhere(pick)
            case "delete":
                self._delete(pick)
            case "erase":
                self._erase(pick)

    def _nothing_happens(self, code: str, pick: int, what: str) -> None:
        before = self._files()
        self.is_refusing = True
        self._act(what, pick)
        self.is_refusing = False
        forget_visitors()
        assert self._run() == code
        assert self._files() == before

    @contextmanager
    def _mounted(self, other: Path) -> Iterator[None]:
        """Put another folder in the place of the store; afterwards it is gone."""
        right = self.root.with_name(f"{self.root.name}-right")
        self.root.rename(right)
        other.rename(self.root)
        try:
            yield
        finally:
            shutil.rmtree(self.root)
            right.rename(self.root)

    def _finish_what_waited(self) -> None:
        forget_visitors()
        self._complete_a_run()

    def _upload_somewhere(self, pick: int) -> None:
        if live := self._live():
            self._upload(live[pick % len(live)])

    def _complete_a_run(self) -> None:
        if StoreState.objects.exclude(lease_expires_at=None).exists():  # of a dead run
            self.pass_time(11 * MINUTE)
        assert self._run() == ""
        self._all_is_well()

    def _run(self) -> str:
        """Run the cleanup; return its stop code, empty if it completed."""
        result = cleanup()
        assert result.exit_code in (0, 3), result
        return last_run().stop_code

    def _adopt(self) -> None:
        result = cleanup("--adopt", "--yes")
        assert result.exit_code == 0, result
        self._keep_from_retention()
        self._complete_a_run()


def _bytes_of(session_uuid: UUID) -> int:
    files = UploadedFile.objects.filter(session=session_uuid, status__in=IN_QUOTA)
    return sum(files.values_list("size", flat=True))
