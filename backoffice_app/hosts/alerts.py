"""One mail when the processes of a deployment differ, and one when they agree again."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse

from backoffice_app.hosts.differences import Difference, Fact
from backoffice_app.models import HostsState
from common.mailed_alerts import AlertState, MailedAlert, mail_administrators

# New versions and settings reach the hosts of a deployment one after the other.
ROLLING_RESTART = timedelta(minutes=10)
# Agreement for so long resolves an alert, so that a process that restarts for ever is one alert.
SETTLED_AFTER = timedelta(minutes=10)
_AT_ONCE = (Fact.SECRET_KEY, Fact.CLOCK)
_CODE = "hosts_differ"
_MAILS = MailedAlert(HostsState, "hosts that differ")


def watch(found: Sequence[Difference]) -> str:
    """Mail the administrators if the processes differ for too long, or agree again.

    Safe to call at any time and concurrently. Returns a sentence about what was done.
    """
    _remember(differs=bool(found))
    patience = ROLLING_RESTART if found else SETTLED_AFTER
    if not (any(one.fact in _AT_ONCE for one in found) or _lasts(patience, differs=bool(found))):
        return "waiting"
    return _MAILS.settle(_CODE if found else "", lambda known: _send(found, known))


def _remember(*, differs: bool) -> None:
    """Store whether processes differ, and since when if that has changed."""
    state, _ = HostsState.objects.get_or_create(
        singleton=1, defaults={"differs": differs, "since": Now()}
    )
    if state.differs != differs:
        HostsState.objects.filter(differs=not differs).update(differs=differs, since=Now())


def _lasts(time: timedelta, *, differs: bool) -> bool:
    return HostsState.objects.filter(differs=differs, since__lte=Now() - time).exists()


def _send(found: Sequence[Difference], known: AlertState) -> None:
    text = render_to_string(
        "backoffice/hosts/differ.txt" if found else "backoffice/hosts/agree.txt",
        {
            "found": found,
            "since": known.since,
            "link": settings.PUBLIC_URL and settings.PUBLIC_URL + reverse("admin:index"),
        },
    )
    mail_administrators("hosts differ" if found else "hosts agree again", text)
