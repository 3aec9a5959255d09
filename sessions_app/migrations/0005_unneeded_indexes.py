from django.db import migrations, models

from common.online_migrations import DropFieldIndexOnline


class Migration(migrations.Migration):
    """Drops the indexes that no query needs; tests/maria_project/test_indexes.py lists the others."""

    atomic = False

    dependencies = [("sessions_app", "0004_last_seen_order")]

    operations = [
        # Tokens and codes are compared as a whole, and typed codes by a range.
        DropFieldIndexOnline("usersession", "token_hash", for_like=True),
        DropFieldIndexOnline("usersession", "support_code", for_like=True),
        DropFieldIndexOnline("retiredtoken", "token_hash", for_like=True),
        DropFieldIndexOnline("recoverycode", "code_hash", for_like=True),
        DropFieldIndexOnline("servicekey", "key_hash", for_like=True),
        DropFieldIndexOnline("servicekey", "name", for_like=True),
        # The unique key of session and purpose begins with the session.
        migrations.SeparateDatabaseAndState(
            database_operations=[DropFieldIndexOnline("consent", "session")],
            state_operations=[
                migrations.AlterField(
                    "consent",
                    "session",
                    models.ForeignKey(
                        "sessions_app.usersession",
                        on_delete=models.CASCADE,
                        related_name="consents",
                        db_index=False,
                    ),
                )
            ],
        ),
    ]
