"""Start-up checks of the upload and cleanup settings."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from common.checks import SETTINGS
from uploads_app.api.parsers import FRAMING_BYTES
from uploads_app.inspection.file_types import KNOWN_TYPES
from uploads_app.storage.base import object_store
from uploads_app.storage.spool import SHARES


@register(SETTINGS)
def check_types(**_: Any) -> list[CheckMessage]:
    """Only types with a signature that the product can check may be allowed."""
    unknown = sorted(set(settings.UPLOAD_TYPES) - KNOWN_TYPES.keys())
    if settings.UPLOAD_TYPES and not unknown:
        return []
    return [
        Error(
            f"UPLOAD_TYPES contains unknown types: {', '.join(unknown)}."
            if unknown
            else "UPLOAD_TYPES is empty.",
            hint=f"Choose from {', '.join(KNOWN_TYPES)}.",
            id="uploads_app.E001",
        )
    ]


@register(SETTINGS)
def check_limits(**_: Any) -> list[CheckMessage]:
    # Each web process has its part of the spool, and each client a share of that.
    spool = settings.WEB_PROCESSES * SHARES * (settings.UPLOAD_MAX_BYTES + FRAMING_BYTES)
    if min(settings.UPLOAD_MAX_BYTES, settings.UPLOAD_MAX_FILES) > 0 and (
        settings.UPLOAD_MAX_TOTAL_BYTES >= settings.UPLOAD_MAX_BYTES
        and spool <= settings.SPOOL_MAX_BYTES
    ):
        return []
    return [
        Error(
            "The upload limits contradict each other.",
            hint="Set UPLOAD_MAX_FILES ≥ 1 and 1 ≤ UPLOAD_MAX_BYTES ≤ UPLOAD_MAX_TOTAL_BYTES, "
            f"and SPOOL_MAX_BYTES ≥ {spool}.",
            id="uploads_app.E002",
        )
    ]


@register(SETTINGS)
def check_holding(**_: Any) -> list[CheckMessage]:
    """Refuse an unknown value, and warn if files of some types could never be downloaded."""
    if settings.HOLD_DOWNLOADS not in ("never", "until_inspected", "unless_clean"):
        return [
            Error(
                f"HOLD_DOWNLOADS is {settings.HOLD_DOWNLOADS!r}, which is not a valid value.",
                hint="Choose never, until_inspected or unless_clean.",
                id="uploads_app.E004",
            )
        ]
    closed = sorted(set(settings.UPLOAD_TYPES) - {"pdf"})
    if settings.HOLD_DOWNLOADS == "unless_clean" and closed:
        return [
            Warning(
                f"Files of type {', '.join(closed)} can never be downloaded, because only a PDF can be clean.",
                hint="Remove these types from UPLOAD_TYPES, or set HOLD_DOWNLOADS to until_inspected.",
                id="uploads_app.W001",
            )
        ]
    return []


@register(SETTINGS)
def check_ages(**_: Any) -> list[CheckMessage]:
    """The grace period must outlast a lease, or the cleanup would remove uploads in progress."""
    if timedelta(0) < settings.UPLOAD_LEASE <= settings.CLEANUP_GRACE and (
        settings.UPLOAD_RETENTION <= settings.COMPLETED_RETENTION
    ):
        return []
    return [
        Error(
            "Lease, grace period and retention contradict each other.",
            hint="Set 0 < UPLOAD_LEASE ≤ CLEANUP_GRACE, and UPLOAD_RETENTION ≤ COMPLETED_RETENTION.",
            id="uploads_app.E003",
        )
    ]


@register(SETTINGS)
def check_retentions(**_: Any) -> list[CheckMessage]:
    """A retention of seconds deletes visitors' files, and is a mistake of units."""
    names = ("UPLOAD_RETENTION", "COMPLETED_RETENTION", "TRASH_RETENTION")
    short = [name for name in names if getattr(settings, name) < timedelta(hours=1)]
    if not short:
        return []
    return [
        Error(
            f"{', '.join(short)}: a retention below one hour.",
            hint="Write the unit that you mean: 30d is 30 days.",
            id="uploads_app.E007",
        )
    ]


@register(SETTINGS)
def check_stores(**_: Any) -> list[CheckMessage]:
    current = settings.STORAGES.get("uploads_current")
    if current is None or current != settings.STORAGES["uploads_previous"]:
        return []
    return [
        Warning(
            "STORAGE_PREVIOUS_URL names the same store as STORAGE_URL.",
            hint="Remove STORAGE_PREVIOUS_URL, or set it to the store that files are moved from.",
            id="uploads_app.W002",
        )
    ]


@register(SETTINGS)
def check_direct_uploads(**_: Any) -> list[CheckMessage]:
    if not settings.DIRECT_UPLOADS or object_store().offers_forms:
        return []
    return [
        Error(
            "DIRECT_UPLOADS is on, but the store does not take files from browsers.",
            hint="Set STORAGE_URL to a bucket (s3://…), or turn DIRECT_UPLOADS off.",
            id="uploads_app.E005",
        )
    ]


@register(SETTINGS)
def check_downloads(**_: Any) -> list[CheckMessage]:
    store = object_store()
    supported = {"stream": True, "redirect": store.offers_forms, "accel": store.offers_files}
    if not supported.get(settings.DOWNLOADS):
        return [
            Error(
                f"DOWNLOADS is {settings.DOWNLOADS!r}, which this store does not support.",
                hint="Set it to stream. If STORAGE_URL is a bucket (s3://…), redirect is possible, "
                "too. If it is a folder, accel is.",
                id="uploads_app.E006",
            )
        ]
    if settings.DOWNLOADS == "accel" and not settings.TRUSTED_PROXIES:
        return [
            Error(
                "DOWNLOADS is accel, but TRUSTED_PROXIES is 0: without a proxy, downloads are empty.",
                hint="Set DOWNLOADS to stream, or use a proxy and set TRUSTED_PROXIES.",
                id="uploads_app.E008",
            )
        ]
    return []
