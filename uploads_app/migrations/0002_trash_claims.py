from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploads_app", "0001_initial")]

    operations = [
        migrations.AddField(
            "quarantinedobject",
            "actor",
            models.CharField(
                "changed by",
                blank=True,
                db_default="",
                default="",
                help_text="Who began the last change. Its event has this actor, even if another process finishes it.",
                max_length=150,
            ),
        ),
    ]
