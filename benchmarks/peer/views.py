import hashlib
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import FileResponse
from django.shortcuts import get_object_or_404
from rest_framework import pagination, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from benchmarks.peer.models import Upload, Visitor
from benchmarks.peer.serializers import (
    CurrentVisitorSerializer,
    UploadSerializer,
    ValidateSerializer,
    VisitorSerializer,
)

KEY = "visitor"


class SessionViewSet(viewsets.ModelViewSet[Visitor]):
    """The visitor of the session cookie."""

    serializer_class = VisitorSerializer

    def get_queryset(self) -> QuerySet[Visitor]:
        return Visitor.objects.filter(pk=self.request.session.get(KEY))

    @transaction.atomic
    def perform_create(self, serializer: Any) -> None:
        self.request.session[KEY] = str(serializer.save().pk)

    @action(detail=False)
    def current(self, request: Request) -> Response:
        visitor = get_object_or_404(self.get_queryset())
        return Response(CurrentVisitorSerializer(visitor).data)

    @action(detail=False, methods=["post"])
    def validate(self, request: Request) -> Response:
        serializer = ValidateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response({**serializer.data, "status": "well_formed"})


class NewestFirst(pagination.CursorPagination):
    ordering = "-created_at"
    page_size = 100


class UploadViewSet(viewsets.ModelViewSet[Upload]):
    """The files of the visitor."""

    serializer_class = UploadSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Upload]:
        return Upload.objects.filter(visitor=self.request.session.get(KEY))

    @transaction.atomic
    def perform_create(self, serializer: Any) -> None:
        file = serializer.validated_data["file"]
        digest = hashlib.sha256()
        for chunk in file.chunks():
            digest.update(chunk)
        serializer.save(
            visitor=get_object_or_404(Visitor, pk=self.request.session.get(KEY)),
            name=file.name,
            size=file.size,
            content_type=file.content_type,
            sha256=digest.hexdigest(),
        )

    @action(detail=True)
    def download(self, request: Request, pk: str) -> FileResponse:
        upload = self.get_object()
        return FileResponse(upload.file.open(), as_attachment=True, filename=upload.name)
