from django.db import migrations

from backoffice_app.accounts.models import mask, unmask


def mask_secrets(apps, schema_editor):
    for device in apps.get_model('otp_totp', 'TOTPDevice').objects.all():
        device.key = mask(bytes.fromhex(device.key))
        device.save(update_fields=['key'])


def unmask_secrets(apps, schema_editor):
    for device in apps.get_model('otp_totp', 'TOTPDevice').objects.all():
        device.key = unmask(device.key).hex()
        device.save(update_fields=['key'])


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('otp_totp', '0003_add_timestamps'),
    ]

    operations = [
        migrations.CreateModel(
            name='AppDevice',
            fields=[
            ],
            options={
                'proxy': True,
                'default_permissions': (),
                'indexes': [],
                'constraints': [],
            },
            bases=('otp_totp.totpdevice',),
        ),
        migrations.RunPython(mask_secrets, unmask_secrets),
    ]
