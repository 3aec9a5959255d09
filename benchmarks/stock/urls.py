"""Stock `ModelAdmin` for the models of the product's own admin, written in the usual way."""

from typing import Any

from auditlog.admin import LogEntryAdmin
from auditlog.models import LogEntry
from django.contrib import admin
from django.urls import path

from audit_app.models import AuditLog
from sessions_app.models import UserSession
from uploads_app.models import UploadedFile

site = admin.AdminSite(name="stock")


class Uploads(admin.TabularInline[Any, Any]):
    model = UploadedFile
    extra = 0
    fields = ["name", "status", "inspection", "size", "created_at"]


@admin.register(UserSession, site=site)
class SessionAdmin(admin.ModelAdmin[Any]):
    list_display = ["support_code", "status", "name", "email", "created_at", "expires_at"]
    list_filter = ["status", "created_at"]
    search_fields = ["uuid", "support_code", "name", "email"]
    date_hierarchy = "created_at"
    raw_id_fields = ["predecessor"]
    inlines = [Uploads]


@admin.register(UploadedFile, site=site)
class UploadAdmin(admin.ModelAdmin[Any]):
    list_display = ["name", "status", "inspection", "size", "session", "created_at"]
    list_filter = ["status", "inspection", "content_type", "created_at"]
    search_fields = ["id", "name", "sha256", "session__support_code"]
    date_hierarchy = "created_at"
    raw_id_fields = ["session"]


@admin.register(AuditLog, site=site)
class LogAdmin(admin.ModelAdmin[Any]):
    list_display = ["occurred_at", "event_type", "outcome", "actor", "session_uuid", "request_id"]
    list_filter = ["outcome", "event_type", "occurred_at"]
    search_fields = ["session_uuid", "request_id", "actor", "target", "personal__address"]
    date_hierarchy = "occurred_at"


site.register(LogEntry, LogEntryAdmin)
urlpatterns = [path("admin/", site.urls)]
