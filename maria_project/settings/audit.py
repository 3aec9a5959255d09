"""The audit log: its export and its seal."""

from pathlib import Path

from maria_project.settings.deployment import DATA_DIR
from maria_project.settings.environment import env

AUDIT_EXPORT_ROWS = env.int("AUDIT_EXPORT_ROWS", 100_000)
# Only worker hosts have this file. It is read when something is signed.
AUDIT_SEAL_KEY_FILE = Path(env.str("AUDIT_SEAL_KEY_FILE", "") or DATA_DIR / "seal_key.pem")
AUDIT_SEAL_PUBLIC_KEYS_FILE = Path(
    env.str("AUDIT_SEAL_PUBLIC_KEYS_FILE", "") or DATA_DIR / "seal_keys.json"
)
# A file outside the database to which each head of the seal is appended.
AUDIT_ANCHOR_FILE = env.str("AUDIT_ANCHOR_FILE", "")
# An address that gets the newest head once a day.
AUDIT_ANCHOR_EMAIL = env.str("AUDIT_ANCHOR_EMAIL", "")
