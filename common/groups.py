"""The three staff groups. Each app grants them its permissions after migrate."""

from django.contrib.auth.models import Group, Permission

SUPPORT = "Support"
AUDITOR = "Auditor"
OPERATOR = "Operator"
ALL = (SUPPORT, AUDITOR, OPERATOR)


def grant(group: str, *permissions: str) -> None:
    """Give `group` each `app_label.codename`; safe to repeat, and never removes a permission."""
    members, _ = Group.objects.get_or_create(name=group)
    for permission in permissions:
        app_label, codename = permission.split(".")
        members.permissions.add(
            Permission.objects.get(content_type__app_label=app_label, codename=codename)
        )
