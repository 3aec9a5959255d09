"""What is changed of staff accounts and groups is in the audit log: which fields, never their values.

Signals collect the changes of a block, so a form that saves an account, its
groups and its permissions is one event. Outside such a block nothing is
recorded: migrate makes groups, too.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.dispatch import receiver

from audit_app import events
from audit_app.services import record
from common import context

Account = User | Group

MADE, CHANGED, REMOVED = "made", "changed", "removed"
# What nobody chooses; a sign-in has an event of its own.
_UNNOTED = ("id", "date_joined", "last_login")
_LISTS = {
    User.groups.through: "groups",
    User.user_permissions.through: "user_permissions",
    Group.permissions.through: "permissions",
}


@dataclass
class _Change:
    kind: str = CHANGED
    fields: set[str] = field(default_factory=set)


_block: ContextVar[dict[str, _Change] | None] = ContextVar("account_changes", default=None)
_saves: ContextVar[ExitStack | None] = ContextVar("account_saves", default=None)


@contextmanager
def recorded() -> Iterator[None]:
    """Run the block in one transaction, and record in it what it changed, once for each account."""
    with transaction.atomic():
        changes: dict[str, _Change] = {}
        token = _block.set(changes)
        try:
            yield
        finally:
            _block.reset(token)
        for account, change in changes.items():
            if change.kind != CHANGED or change.fields:
                note(account, change.kind, *change.fields)


@contextmanager
def recorded_on_each_save() -> Iterator[None]:
    """Record each account that is saved in the block, in a transaction around that save alone.

    For commands that ask questions: nobody else's writes wait for the answers.
    """
    with ExitStack() as saves:
        token = _saves.set(saves)
        try:
            yield
        finally:
            _saves.reset(token)


def note(account: str, change: str, *fields: str, reason: str = "") -> None:
    """Record what was changed of one account, in the transaction that changes it."""
    record(
        events.STAFF_ACCOUNT_CHANGED,
        account=account,
        change=change,
        fields=", ".join(sorted(fields)),
        reason=reason,
    )


def name_of(account: Account) -> str:
    """Return how the audit log calls an account: `staff:<id>`, or `group:` and its name."""
    if isinstance(account, Group):
        return f"group:{account.name}"
    return f"{context.STAFF}{account.pk}"


@receiver(pre_save, sender=User)
@receiver(pre_save, sender=Group)
def compare(instance: Any, **_: Any) -> None:
    """Remember which fields are about to change."""
    if (saves := _saves.get()) is not None:
        saves.enter_context(recorded())
    if _block.get() is not None:
        instance.fields_that_change = _different_fields(instance)


@receiver(post_save, sender=User)
@receiver(post_save, sender=Group)
def saved(instance: Any, created: bool, **_: Any) -> None:
    """Collect a save; one that stands alone is recorded and committed here."""
    _collect(
        instance, *instance.__dict__.pop("fields_that_change", ()), kind=MADE if created else ""
    )
    if (saves := _saves.get()) is not None:
        saves.close()


@receiver(post_delete, sender=User)
@receiver(post_delete, sender=Group)
def deleted(instance: Any, **_: Any) -> None:
    _collect(instance, kind=REMOVED)


@receiver(m2m_changed)
def listed(sender: Any, instance: Any, action: str, reverse: bool, **_: Any) -> None:
    if sender in _LISTS and not reverse and action in ("post_add", "post_remove", "post_clear"):
        _collect(instance, _LISTS[sender])


def _collect(account: Account, *fields: str, kind: str = "") -> None:
    if (changes := _block.get()) is not None:
        change = changes.setdefault(name_of(account), _Change())
        change.kind = kind or change.kind
        change.fields.update(fields)


def _different_fields(account: Account) -> list[str]:
    """Return the fields in which an account differs from its row, or from an empty one."""
    model = type(account)
    row = model._default_manager.filter(pk=account.pk).first() or model()
    return [
        one.name
        for one in model._meta.concrete_fields
        if one.name not in _UNNOTED and getattr(account, one.attname) != getattr(row, one.attname)
    ]
