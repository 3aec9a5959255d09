#!/usr/bin/env python
"""Django's command line. `manage.py help` lists the commands."""

import os
import sys

from environs import EnvError


def main() -> None:
    """Run a command. An invalid setting prints one sentence, without a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maria_project.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except (EnvError, ImproperlyConfigured) as error:
        sys.exit(f"Settings: {error}")


if __name__ == "__main__":
    main()
