"""The read-only API over the audit log, for staff."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import viewsets
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from audit_app.filters import AuditLogFilter
from audit_app.models import AuditLog
from audit_app.seal import keys
from audit_app.serializers import AuditLogSerializer
from common.documented import LateSchema, documented, inherited
from common.pagination import StrictCursorPagination
from common.text import ROW_ID


class StaffAuthentication(SessionAuthentication):
    """The admin's sign-in. Answers 401, not 403, to a request without one."""

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class MayViewAuditLog(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        return bool(user.is_staff and user.has_perm("audit_app.view_auditlog"))


class AuditLogPagination(StrictCursorPagination):
    """Newest first; a cursor stays correct while events are added."""

    ordering = "-id"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000


@inherited(list="List audit events", retrieve="Get an audit event")
@documented(tags=["audit"])
class AuditLogViewSet(viewsets.ReadOnlyModelViewSet[AuditLog]):
    """Audit events, for staff with permission, newest first in cursor pages."""

    http_method_names = ["get", "head"]
    schema = LateSchema()
    queryset = AuditLog.objects.all()
    serializer_class = AuditLogSerializer
    authentication_classes = [StaffAuthentication]
    permission_classes = [MayViewAuditLog]
    pagination_class = AuditLogPagination
    filter_backends = [DjangoFilterBackend]
    filterset_class = AuditLogFilter
    lookup_value_regex = ROW_ID


@require_safe
def seal_keys(request: HttpRequest) -> JsonResponse:
    """The public keys that verify the seal, from their file: no key in the database counts."""
    return JsonResponse(keys.public_document(keys.public_keys(), keys.accepted_breaks()))
