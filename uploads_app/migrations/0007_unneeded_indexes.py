from django.db import migrations

from common.online_migrations import DropFieldIndexOnline


class Migration(migrations.Migration):
    """Drops an index that no query needs; tests/maria_project/test_indexes.py lists the others."""

    atomic = False

    dependencies = [("uploads_app", "0006_inspection_claims")]

    operations = [DropFieldIndexOnline("uploadedfile", "key", for_like=True)]
