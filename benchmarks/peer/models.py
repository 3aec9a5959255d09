"""Visitors, their consents and their files. django-auditlog records each change."""

import secrets
import uuid
from datetime import datetime, timedelta

from auditlog.registry import auditlog
from django.db import models
from django.utils import timezone


def new_support_code() -> str:
    return f"PEER-{secrets.token_hex(5)}"


def in_a_month() -> datetime:
    return timezone.now() + timedelta(days=30)


class Visitor(models.Model):
    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    support_code = models.CharField(max_length=15, unique=True, default=new_support_code)
    status = models.CharField(max_length=8, default="active")
    identity = models.CharField(max_length=10, default="anonymous")
    name = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True)
    completed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(auto_now=True)
    expires_at = models.DateTimeField(default=in_a_month)

    def __str__(self) -> str:
        return self.support_code


class Consent(models.Model):
    visitor = models.ForeignKey(Visitor, on_delete=models.CASCADE, related_name="consents")
    purpose = models.CharField(max_length=40)
    granted = models.BooleanField()
    version = models.CharField(max_length=40)

    def __str__(self) -> str:
        return self.purpose


class Upload(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    visitor = models.ForeignKey(Visitor, on_delete=models.CASCADE, related_name="uploads")
    file = models.FileField(upload_to="uploads/")
    name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField()
    content_type = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64)
    status = models.CharField(max_length=11, default="stored")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


auditlog.register(Visitor)
auditlog.register(Consent)
auditlog.register(Upload)
