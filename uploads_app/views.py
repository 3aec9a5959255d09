"""The upload endpoints. Every one sees only the files of the session it is proven for."""

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from audit_app.pagination import StrictCursorPagination
from sessions_app.uuid_helpers import UUID_PATTERN
from sessions_app.views import VisitorViewSet
from uploads_app import services
from uploads_app.exceptions import FileMissing, FileTooLarge, LengthRequired, rejection
from uploads_app.models import UploadedFile, UploadQuerySet
from uploads_app.parsers import UploadParser
from uploads_app.serializers import UploadRequestSerializer, UploadSerializer

# A file is handed out as bytes to be kept, never as a page to be run.
DOWNLOAD_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}


class UploadPagination(StrictCursorPagination):
    """Newest first; a cursor stays right while files come and go."""

    ordering = ("-created_at", "-id")
    page_size = 100


@extend_schema(tags=["uploads"])
class UploadViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VisitorViewSet):
    """The files of the proven session."""

    queryset = UploadedFile.objects.none()
    serializer_class = UploadSerializer
    parser_classes = [UploadParser]
    pagination_class = UploadPagination
    lookup_value_regex = UUID_PATTERN
    session_limits = {"create": "upload"}

    def get_queryset(self) -> UploadQuerySet:
        return UploadedFile.objects.visible_to(self.session)

    @extend_schema(
        request={"multipart/form-data": UploadRequestSerializer}, responses={201: UploadSerializer}
    )
    def create(self, request: Request) -> Response:
        """Store one file, whole, and answer only then."""
        if not request.META.get("CONTENT_LENGTH"):
            raise LengthRequired
        try:
            content = request.FILES.get("file")
        except FileTooLarge as error:
            error.refusal = rejection(error, self.session, "")
            raise
        if content is None:
            raise FileMissing
        upload = services.store_upload(
            session=self.session, content=content, name=content.name or ""
        )
        return Response(UploadSerializer(upload).data, status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a file at once; deleting it again is no error."""
        upload = get_object_or_404(UploadedFile.objects.known_to(self.session), pk=pk)
        services.delete_upload(upload=upload)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        responses={(200, "*/*"): OpenApiResponse(OpenApiTypes.BINARY, "The file, of its own type.")}
    )
    @action(detail=True)
    def download(self, request: Request, pk: str) -> FileResponse:
        """Return the file's bytes as an attachment under its own name (RFC 6266)."""
        upload = self.get_object()
        return FileResponse(
            services.open_upload(upload=upload),
            as_attachment=True,
            filename=upload.name,
            content_type=upload.content_type,
            headers=DOWNLOAD_HEADERS,
        )
