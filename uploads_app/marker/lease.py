"""One run at a time: the lease of the cleanup, the move and the adoption."""

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from uploads_app.models import StoreState

LEASE = timedelta(minutes=10)


def take_lease(holder: str) -> bool:
    """Give the lease to `holder`; False while another run has it."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lt=Now())
    return bool(
        StoreState.objects.filter(free).update(lease_holder=holder, lease_expires_at=Now() + LEASE)
    )


def renew_lease(holder: str) -> bool:
    """Renew a lease; False if it was lost. The run must then change nothing more."""
    return bool(
        StoreState.objects.filter(lease_holder=holder, lease_expires_at__gt=Now()).update(
            lease_expires_at=Now() + LEASE
        )
    )


def release_lease(holder: str) -> None:
    StoreState.objects.filter(lease_holder=holder).update(lease_holder="", lease_expires_at=None)
