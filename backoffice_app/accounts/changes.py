"""Records changes of staff accounts and groups in the audit log: field names, never values.

Signals collect the changes within a block, so a form that saves an account,
its groups and its permissions is one event. Changes outside a block are not
recorded, because `migrate` also creates groups.
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
# Fields that are set automatically; a sign-in has its own event.
_IGNORED = ("id", "date_joined", "last_login")
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
    """Run the block in one transaction and record its changes in it, one event for each account."""
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
    """Record each account that the block saves, in a transaction around that save only.

    For interactive commands: other writers do not wait while the operator types.
    """
    with ExitStack() as saves:
        token = _saves.set(saves)
        try:
            yield
        finally:
            _saves.reset(token)


def note(account: str, change: str, *fields: str, reason: str = "") -> None:
    """Record a change of one account, within the caller's transaction."""
    record(
        events.STAFF_ACCOUNT_CHANGED,
        account=account,
        change=change,
        fields=", ".join(sorted(fields)),
        reason=reason,
    )


def name_of(account: Account) -> str:
    """Return the account's name in the audit log: `staff:<id>` or `group:<name>`."""
    if isinstance(account, Group):
        return f"group:{account.name}"
    return f"{context.STAFF}{account.pk}"


@receiver(pre_save, sender=User)
@receiver(pre_save, sender=Group)
def compare(instance: Any, **_: Any) -> None:
    if (saves := _saves.get()) is not None:
        saves.enter_context(recorded())
    if _block.get() is not None:
        instance.fields_that_change = _different_fields(instance)


@receiver(post_save, sender=User)
@receiver(post_save, sender=Group)
def saved(instance: Any, created: bool, **_: Any) -> None:
    """Collect a save. Within recorded_on_each_save, record and commit it."""
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
    """Return the fields that differ from the account's row, or from an empty one."""
    model = type(account)
    row = model._default_manager.filter(pk=account.pk).first() or model()
    return [
        one.name
        for one in model._meta.concrete_fields
        if one.name not in _IGNORED and getattr(account, one.attname) != getattr(row, one.attname)
    ]
