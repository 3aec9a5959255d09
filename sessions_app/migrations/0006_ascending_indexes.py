from django.db import migrations
from django.db.models import F, Index, Q

from common.folding import Folded
from common.online_migrations import ReplaceIndexOnline


class Migration(migrations.Migration):
    """Ascending indexes: a new row is added at their end, where a page is filled before the next one begins."""

    atomic = False

    dependencies = [("sessions_app", "0005_unneeded_indexes")]

    operations = [
        ReplaceIndexOnline("usersession", Index(fields=["created_at"], name="session_created")),
        ReplaceIndexOnline(
            "usersession", Index(fields=["status", "created_at", "uuid"], name="session_status")
        ),
        ReplaceIndexOnline(
            "usersession",
            Index(fields=["status", "last_seen_at", "uuid"], name="session_last_seen"),
        ),
        ReplaceIndexOnline(
            "usersession",
            Index(
                Folded("email"),
                F("created_at"),
                name="session_email_newest",
                condition=Q(email__gt=""),
            ),
        ),
    ]
