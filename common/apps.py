"""The code that every app builds on, as a Django app: it has static files and a signal receiver."""

from django.apps import AppConfig
from django.db.models.signals import pre_save

from common.schedules import refuse_unknown_task


class CommonConfig(AppConfig):
    name = "common"

    def ready(self) -> None:
        pre_save.connect(refuse_unknown_task, sender="django_q.Schedule")
