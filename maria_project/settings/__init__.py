"""Every setting, read once from the environment; docs/settings.md and .env.example list them.

With an empty environment the product runs on SQLite, a local folder, an
in-process cache and a queue in the database. A PUBLIC_URL whose host is not
this machine makes it production.
"""

import django_stubs_ext

from maria_project.settings.api import *
from maria_project.settings.apps import *
from maria_project.settings.audit import *
from maria_project.settings.database import *
from maria_project.settings.deployment import *
from maria_project.settings.environment import BASE_DIR as BASE_DIR
from maria_project.settings.environment import OLD_SETTING_NAMES as OLD_SETTING_NAMES
from maria_project.settings.limits import *
from maria_project.settings.logs import *
from maria_project.settings.mail import *
from maria_project.settings.security import *
from maria_project.settings.sessions import *
from maria_project.settings.static import *
from maria_project.settings.uploads import *

# Makes Django's classes subscriptable, as in ModelAdmin[UserSession].
django_stubs_ext.monkeypatch()
