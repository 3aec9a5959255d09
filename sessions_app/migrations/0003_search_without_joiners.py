from django.db import migrations, models

import common.folding


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0002_repeatable_attempts")]

    operations = [
        migrations.RemoveIndex("usersession", "session_name"),
        migrations.RemoveIndex("usersession", "session_last_word"),
        migrations.AddIndex(
            "usersession",
            models.Index(
                common.folding.FoldedName("name"),
                condition=models.Q(("name__gt", "")),
                name="session_name",
            ),
        ),
        migrations.AddIndex(
            "usersession",
            models.Index(
                common.folding.FoldedName(common.folding.LastWord("name")),
                condition=models.Q(("name__gt", "")),
                name="session_last_word",
            ),
        ),
    ]
