"""The code that every app builds on, as a Django app: it has static files and a signal receiver."""

from django.apps import AppConfig
from django.core.signing import Signer
from django.db.models.signals import pre_save

from common.schedules import refuse_unknown_task


class CommonConfig(AppConfig):
    name = "common"

    def ready(self) -> None:
        from django_q import core_signing

        # Its own method knows no fallbacks of SECRET_KEY: tasks that wait would be lost.
        core_signing.Signer.unsign = Signer.unsign
        pre_save.connect(refuse_unknown_task, sender="django_q.Schedule")
