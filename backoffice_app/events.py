"""Audit events that belong to no single app."""

from audit_app.events import register
from audit_app.models import RetentionClass

DEMO_SEEDED = register(
    "system.demo_seeded",
    "This database was filled with demo data; it is not a production database.",
    "sessions",
    "seed",
    "with_files",
    story="{who} filled this database with demo data: {sessions} sessions",
    retention=RetentionClass.SECURITY,
)
DATABASE_MOVED = register(
    "system.database_moved",
    "All rows were moved here from a SQLite database.",
    "tables",
    "rows",
    story="{who} moved all rows here from a SQLite database: {rows} rows",
    retention=RetentionClass.SECURITY,
)
