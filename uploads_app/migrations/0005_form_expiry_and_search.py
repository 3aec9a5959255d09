from django.db import migrations, models

import common.folding


class Migration(migrations.Migration):
    dependencies = [("uploads_app", "0004_inspection_queue")]

    operations = [
        migrations.RemoveIndex("uploadedfile", "upload_name"),
        migrations.AddIndex(
            "uploadedfile",
            models.Index(
                common.folding.FoldedName("name"),
                condition=models.Q(("name__gt", "")),
                name="upload_name",
            ),
        ),
        migrations.AddField(
            "uploadedfile",
            "form_expires_at",
            models.DateTimeField(
                null=True,
                editable=False,
                help_text="When the newest form of a direct upload expires. Empty when its bytes are removed.",
            ),
        ),
    ]
