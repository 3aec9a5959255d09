"""Generates a chunk of the invented history: consecutive sessions with their files and events.

Nothing is written here; see writing.py. The code that writes real audit rows
makes these, and the services can reach every state that appears.
"""

import math
from datetime import datetime
from random import Random

from demo_app import people
from demo_app.history import endings, files, live, visits
from demo_app.history.collector import DAY, MINUTE, PERIOD, DemoContext, DemoRows
from demo_app.history.story import SessionBook, SessionStory
from demo_app.people import DemoVisitor
from sessions_app.models import UserSession
from sessions_app.uuid_helpers import CROCKFORD, support_code

_RECENT_VISITORS = 200


class SessionHistories(SessionBook):
    """Generates the sessions with these numbers, of `total`."""

    def __init__(
        self, random: Random, demo_context: DemoContext, numbers: range, total: int
    ) -> None:
        super().__init__(random, demo_context)
        self._numbers, self._total = numbers, total
        self._known: list[DemoVisitor] = []

    def generate(self, first_code: int) -> DemoRows:
        """Return the rows; `first_code` is the number of support codes already in use."""
        self._first_code = first_code
        while self.remaining:
            number = self._numbers.start + len(self.rows.sessions) + self.random.random()
            place = number / max(self._total, 1)
            self.generate_session(self._visitor(), began_at(self.demo_context.now, min(place, 1.0)))
        return self.finished()

    @property
    def remaining(self) -> int:
        return len(self._numbers) - len(self.rows.sessions)

    def generate_session(
        self, visitor: DemoVisitor, began: datetime, predecessor: UserSession | None = None
    ) -> UserSession:
        session = self._new_session(began, predecessor)
        story = SessionStory(self, visitor, session)
        self.rows.sessions.append(session)
        visits.create(story)
        if self.chance(0.35):
            visits.identify(story)
        files.upload_some(story)
        visits.stay(story)
        files.delete_some(story)
        visits.meet_refusals(story)
        endings.end(story)
        endings.apply_retention(story)
        live.meet_staff(story)
        story.write_rows()
        return session

    def _new_session(self, began: datetime, predecessor: UserSession | None) -> UserSession:
        uuid = self.uuid()
        number = self._first_code + self._numbers.start + len(self.rows.sessions)
        return UserSession(
            uuid=uuid,
            support_code=code_of(number),
            token_hash=f"{self.random.getrandbits(256):064x}",  # the token does not exist
            token_used_at=began,
            proven_at=began,
            created_at=began,
            last_seen_at=began,
            expires_at=began,
            predecessor=predecessor,
        )

    def _visitor(self) -> DemoVisitor:
        """Return a new visitor or, one time in five, a recent one."""
        if self._known and self.chance(0.2):
            return self.random.choice(self._known[-_RECENT_VISITORS:])
        number = self._first_code + self._numbers.start + len(self._known)
        self._known.append(people.visitor(self.random, number))
        return self._known[-1]


def began_at(now: datetime, place: float) -> datetime:
    """Return when the session at `place` (0 to 1) in the period began: more by day, and more each day."""
    days, of_day = divmod(PERIOD.days * place**0.6, 1)
    start = now - PERIOD
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    offset: float = (start - midnight) / DAY
    moved = days + of_day + offset
    day, hour = divmod(moved, 1)
    by_day: float = hour + 0.6 * math.sin(2 * math.pi * hour) / (2 * math.pi)
    moment: datetime = midnight + DAY * (day + by_day)
    return min(max(moment, start), now - MINUTE)


def code_of(number: int) -> str:
    """Return the support code of a number: unique, and in no visible order."""
    for attempt in range(number * 16, number * 16 + 16):
        mixed = attempt * 0x9E3779B97F % 2**40
        mixed = (mixed ^ mixed >> 21) * 0xD6E8FEB867 % 2**40
        symbols = "".join(CROCKFORD[mixed >> shift & 31] for shift in range(0, 40, 5))
        if code := support_code(symbols):
            return code
    raise ValueError(f"No support code for number {number}.")
