"""The upload endpoints. Visitors reach only the files of the session that they prove."""

from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from common.answers import Answer
from common.documented import documented, inherited
from common.pagination import StrictCursorPagination
from common.serializers import serialize
from common.statements import Argument, CompiledSelect
from sessions_app.api.retry_keys import RETRY_PARAMETER, read_retry_key
from sessions_app.api.service_views import ServiceViewSet
from sessions_app.api.views import VisitorViewSet
from sessions_app.models import Scope, UserSession
from sessions_app.uuid_helpers import UUID_PATTERN
from uploads_app.api.parsers import UploadParser
from uploads_app.api.serializers import (
    AnnouncedFileSerializer,
    DirectUploadSerializer,
    LinkSerializer,
    ServiceUploadSerializer,
    UploadRequestSerializer,
    UploadSerializer,
)
from uploads_app.downloads import DOWNLOAD_HEADERS, attachment
from uploads_app.exceptions import FileMissing, FileTooLarge, LengthRequired
from uploads_app.inspection.file_types import KNOWN_TYPES
from uploads_app.models import UploadedFile, UploadQuerySet
from uploads_app.services import direct, links
from uploads_app.services.deletion import delete_upload
from uploads_app.services.download import (
    record_download,
    record_visitors_download,
    refuse_blocked_download,
)
from uploads_app.services.upload import store_upload

# Generated clients read the first media type, which is the one that all of them know.
FILE_TYPES = ("application/octet-stream", *dict.fromkeys(KNOWN_TYPES.values()))
FILE_RESPONSES = {
    (200, *FILE_TYPES): OpenApiResponse(OpenApiTypes.BINARY, "The file, with its media type."),
    302: OpenApiResponse(
        description="A URL of the store, valid for 60 seconds (DOWNLOADS=redirect)."
    ),
}


class IgnoreAccept(DefaultContentNegotiation):
    """Negotiation for downloads: a file has one media type, whatever the client accepts."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class UploadPagination(StrictCursorPagination):
    """Newest first, by cursor, so that new files do not shift the pages."""

    ordering = ("-created_at", "-id")
    page_size = 100


def _first_files() -> UploadQuerySet:
    """Read what a list shows of a session's newest files: a page, and one more if there is one."""
    files = UploadedFile.objects.visible_to(Argument("session", UserSession._meta.pk))
    shown = files.only(*UploadSerializer.Meta.fields).order_by(*UploadPagination.ordering)
    return shown[: UploadPagination.page_size + 1]


def _one_file() -> UploadQuerySet:
    files = UploadedFile.objects.visible_to(Argument("session", UserSession._meta.pk))
    return files.filter(pk=Argument("pk", UploadedFile._meta.pk)).order_by()


_FIRST_FILES = CompiledSelect(_first_files)
_ONE_FILE = CompiledSelect(_one_file)


@inherited(list="List the files", retrieve="Get a file")
@documented(tags=["uploads"])
class UploadViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VisitorViewSet):
    """The files of the proven session."""

    queryset = UploadedFile.objects.none()
    serializer_class = UploadSerializer
    parser_classes = [UploadParser]
    pagination_class = UploadPagination
    lookup_value_regex = UUID_PATTERN
    session_limits = {"create": "upload", "direct": "upload"}

    def get_queryset(self) -> UploadQuerySet:
        return UploadedFile.objects.visible_to(self.session)

    def get_object(self) -> UploadedFile:
        file = _ONE_FILE.first(session=self.session.pk, pk=self.kwargs["pk"])
        if file is None:
            raise Http404
        return file

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        if UploadPagination.cursor_query_param not in request.query_params:
            files = _FIRST_FILES.read(session=self.session.pk)
            if len(files) <= UploadPagination.page_size:
                results = [serialize(UploadSerializer, file) for file in files]
                return Answer({"next": None, "previous": None, "results": results})
        return super().list(request, *args, **kwargs)

    @documented(
        summary="Upload a file",
        parameters=[RETRY_PARAMETER],
        request={"multipart/form-data": UploadRequestSerializer},
        responses={201: UploadSerializer},
    )
    def create(self, request: Request) -> Answer:
        """Store one file. The response comes after it is stored completely."""
        if not request.META.get("CONTENT_LENGTH"):
            raise LengthRequired
        try:
            content = request.FILES.get("file")
        except FileTooLarge as error:
            error.session_uuid = self.session.uuid
            raise
        if content is None:
            raise FileMissing
        upload = store_upload(
            session=self.session,
            content=content,
            name=content.name or "",
            retry_key=read_retry_key(request),
        )
        return Answer(serialize(UploadSerializer, upload), status.HTTP_201_CREATED)

    @documented(
        summary="Begin a direct upload",
        parameters=[RETRY_PARAMETER],
        request=AnnouncedFileSerializer,
        responses={201: DirectUploadSerializer},
    )
    @action(detail=False, methods=["post"], parser_classes=api_settings.DEFAULT_PARSER_CLASSES)
    def direct(self, request: Request) -> Answer:
        """Return a form to send one file to the store directly. Call `complete/` afterwards."""
        values = self.checked(AnnouncedFileSerializer)
        begun = direct.begin_direct_upload(
            session=self.session,
            name=values["name"],
            size=values["size"],
            retry_key=read_retry_key(request),
        )
        return Answer(serialize(DirectUploadSerializer, begun), status.HTTP_201_CREATED)

    @documented(summary="Complete a direct upload", request=None, responses=UploadSerializer)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Answer:
        """Check and store the file that the browser sent to the store. Can be repeated."""
        waiting = UploadedFile.objects.completable_by(self.session)
        upload = direct.complete_direct_upload(upload=get_object_or_404(waiting, pk=pk))
        return Answer(serialize(UploadSerializer, upload))

    @documented(summary="Delete a file", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a file, or cancel a direct upload. Can be repeated."""
        upload = get_object_or_404(UploadedFile.objects.known_to(self.session), pk=pk)
        delete_upload(upload=upload)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @documented(
        summary="Download a file",
        parameters=[
            OpenApiParameter(
                links.PARAMETER, description="From `link/`; replaces the session token."
            )
        ],
        responses=FILE_RESPONSES,
    )
    @action(
        detail=True,
        authentication_classes=[links.LinkedSession],
        content_negotiation_class=IgnoreAccept,
    )
    def download(self, request: Request, pk: str) -> HttpResponseBase:
        """Return the file as an attachment with its name (RFC 6266), or redirect to the store."""
        upload = self.get_object()
        response = _file_response(upload)
        if request.method == "GET":
            record_visitors_download(upload=upload)
        return response

    @documented(summary="Create a download link", request=None, responses=LinkSerializer)
    @action(detail=True, methods=["post"])
    def link(self, request: Request, pk: str) -> Answer:
        """Return a URL that downloads this file for 60 s without a session token."""
        upload = self.get_object()
        refuse_blocked_download(upload=upload)
        path = reverse("upload-download", args=[pk])
        link = links.sign_link(upload=upload)
        url = request.build_absolute_uri(f"{path}?{urlencode({links.PARAMETER: link})}")
        values = {"url": url, "expires_at": timezone.now() + links.LIFETIME}
        return Answer(serialize(LinkSerializer, values))


@inherited(list="List a session's files")
@documented(tags=["service"])
class ServiceUploadViewSet(mixins.ListModelMixin, ServiceViewSet):
    """The files of a live session, for a service that received its UUID from the visitor's page."""

    scope = Scope.UPLOADS
    queryset = UploadedFile.objects.none()
    serializer_class = ServiceUploadSerializer
    pagination_class = UploadPagination

    def get_queryset(self) -> UploadQuerySet:
        session = get_object_or_404(UserSession.objects.live(), pk=self.kwargs["uuid"])
        return UploadedFile.objects.visible_to(session)

    @documented(summary="Download a session's file", responses=FILE_RESPONSES)
    def download(self, request: Request, uuid: str, pk: str) -> HttpResponseBase:
        """Return the file, or redirect to the store, and record the download."""
        upload = self.get_object()
        response = _file_response(upload)
        if request.method == "GET":
            record_download(upload=upload)
        return response


def _file_response(upload: UploadedFile) -> HttpResponseBase:
    if address := direct.download_address(upload=upload):
        return HttpResponseRedirect(address, headers=DOWNLOAD_HEADERS)
    return attachment(upload)
