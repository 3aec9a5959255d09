"""The product's files, as a Django project with a file field would have them."""

from django.db import models


class PeerFile(models.Model):
    """A row of the product's own table."""

    id = models.UUIDField(primary_key=True)
    file = models.FileField(db_column="key")

    class Meta:
        managed = False
        db_table = "uploads_app_uploadedfile"

    def __str__(self) -> str:
        return str(self.file)
