"""Start-up checks of the upload and cleanup settings."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from uploads_app.inspection.file_types import KNOWN_TYPES
from uploads_app.storage.base import object_store


@register()
def check_types(**_: Any) -> list[CheckMessage]:
    """Only types whose first bytes tell them apart can be checked, so only those can be allowed."""
    unknown = sorted(set(settings.UPLOAD_TYPES) - KNOWN_TYPES.keys())
    if settings.UPLOAD_TYPES and not unknown:
        return []
    return [
        Error(
            f"UPLOAD_TYPES names no type this product can recognise: {', '.join(unknown) or 'it is empty'}.",
            hint=f"Choose from {', '.join(KNOWN_TYPES)}.",
            id="uploads_app.E001",
        )
    ]


@register()
def check_limits(**_: Any) -> list[CheckMessage]:
    """Limits below one would refuse every file."""
    if min(settings.UPLOAD_MAX_BYTES, settings.UPLOAD_MAX_FILES) > 0 and (
        settings.UPLOAD_MAX_TOTAL_BYTES >= settings.UPLOAD_MAX_BYTES
    ):
        return []
    return [
        Error(
            "The upload limits contradict each other.",
            hint="Set UPLOAD_MAX_FILES ≥ 1 and 1 ≤ UPLOAD_MAX_BYTES ≤ UPLOAD_MAX_TOTAL_BYTES.",
            id="uploads_app.E002",
        )
    ]


@register()
def check_holding(**_: Any) -> list[CheckMessage]:
    """What would hold every file back for good is a mistake, or should be known."""
    if settings.HOLD_DOWNLOADS not in ("never", "until_inspected", "unless_clean"):
        return [
            Error(
                f"HOLD_DOWNLOADS is “{settings.HOLD_DOWNLOADS}”, which means nothing.",
                hint="Choose never, until_inspected or unless_clean.",
                id="uploads_app.E004",
            )
        ]
    closed = sorted(set(settings.UPLOAD_TYPES) - {"pdf"})
    if settings.HOLD_DOWNLOADS == "unless_clean" and closed:
        return [
            Warning(
                f"Nobody can ever download {', '.join(closed)}: only a PDF can be found clean.",
                hint="Take them out of UPLOAD_TYPES, or set HOLD_DOWNLOADS to until_inspected.",
                id="uploads_app.W001",
            )
        ]
    return []


@register()
def check_ages(**_: Any) -> list[CheckMessage]:
    """The grace must outlast a lease, or the cleanup would judge an upload that is under way."""
    if timedelta(0) < settings.UPLOAD_LEASE <= settings.CLEANUP_GRACE and (
        timedelta(0) <= settings.UPLOAD_RETENTION <= settings.COMPLETED_RETENTION
    ):
        return []
    return [
        Error(
            "The ages by which files are removed contradict each other.",
            hint="Set 0 < UPLOAD_LEASE ≤ CLEANUP_GRACE, and 0 ≤ UPLOAD_RETENTION ≤ COMPLETED_RETENTION.",
            id="uploads_app.E003",
        )
    ]


@register()
def check_stores(**_: Any) -> list[CheckMessage]:
    """A move from a store to itself has nothing to do, and is refused."""
    current = settings.STORAGES.get("uploads_current")
    if current is None or current != settings.STORAGES["uploads_previous"]:
        return []
    return [
        Warning(
            "STORAGE_PREVIOUS_URL leads to the same store as STORAGE_URL.",
            hint="Remove STORAGE_PREVIOUS_URL, or let it name the store that files come from.",
            id="uploads_app.W002",
        )
    ]


@register()
def check_direct_uploads(**_: Any) -> list[CheckMessage]:
    """Only a store that browsers can reach takes files from them."""
    if not settings.DIRECT_UPLOADS or object_store().offers_forms:
        return []
    return [
        Error(
            "DIRECT_UPLOADS is on, but the store takes no files from browsers.",
            hint="Set STORAGE_URL to a bucket (s3://…), or turn DIRECT_UPLOADS off.",
            id="uploads_app.E005",
        )
    ]


@register()
def check_downloads(**_: Any) -> list[CheckMessage]:
    """Only a store that browsers can reach hands files out to them."""
    if settings.DOWNLOADS == "stream" or (
        settings.DOWNLOADS == "redirect" and object_store().offers_forms
    ):
        return []
    return [
        Error(
            f"DOWNLOADS is {settings.DOWNLOADS}, which this store cannot do.",
            hint="Set it to stream; or, where STORAGE_URL is a bucket (s3://…), to redirect.",
            id="uploads_app.E006",
        )
    ]
