from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('uploads_app', '0002_trash_claims'),
    ]

    operations = [
        migrations.AddField(
            model_name='storestate',
            name='lineages',
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name='storestate',
            name='refused_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='storestate',
            name='refused_code',
            field=models.CharField(blank=True, max_length=40),
        ),
    ]
