"""Database triggers that refuse to change or delete audit events.

They protect against mistakes and injected SQL, on both databases. SQLite drops
a table's triggers when a migration rebuilds it. So they are installed after
every migrate, and a system check finds missing ones.
"""

from django.db import connections

LOG = "audit_app_auditlog"
PERSONAL = "audit_app_auditpersonal"

# The names are constants of this module, so nothing can be injected (S608).
_REFUSE = "SELECT RAISE(ABORT, 'audit rows are append-only')"
_SQLITE = {
    # INSERT OR REPLACE removes the old row without firing a delete trigger.
    "audit_no_replace": f"""BEFORE INSERT ON {LOG}
        WHEN EXISTS (SELECT 1 FROM {LOG} WHERE id = NEW.id OR event_id = NEW.event_id)
        BEGIN {_REFUSE}; END""",  # noqa: S608
    "audit_no_update": f"BEFORE UPDATE ON {LOG} BEGIN {_REFUSE}; END",
    "audit_no_delete": f"BEFORE DELETE ON {LOG} BEGIN {_REFUSE}; END",
    "audit_personal_no_update": f"BEFORE UPDATE ON {PERSONAL} BEGIN {_REFUSE}; END",
    "audit_personal_no_replace": f"""BEFORE INSERT ON {PERSONAL}
        WHEN EXISTS (SELECT 1 FROM {PERSONAL} WHERE log_id = NEW.log_id)
        BEGIN {_REFUSE}; END""",  # noqa: S608
}
_POSTGRESQL_FUNCTION = """CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger
    LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'audit rows are append-only'; END $$"""
_POSTGRESQL = {
    "audit_no_change": f"BEFORE UPDATE OR DELETE ON {LOG} FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "audit_no_truncate": f"BEFORE TRUNCATE ON {LOG} FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "audit_personal_no_update": f"BEFORE UPDATE ON {PERSONAL} FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "audit_personal_no_truncate": f"BEFORE TRUNCATE ON {PERSONAL} FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
}


def install(using: str) -> None:
    """Create the missing triggers; safe to repeat, and does nothing before the tables exist."""
    connection = connections[using]
    if LOG not in connection.introspection.table_names():
        return
    absent = missing(using)
    # Replacing a disabled trigger enables it.
    create = "CREATE OR REPLACE TRIGGER" if connection.vendor == "postgresql" else "CREATE TRIGGER"
    with connection.cursor() as cursor:
        if absent and connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL_FUNCTION)
        for name in absent:
            cursor.execute(f"{create} {name} {wanted(connection.vendor)[name]}")


def missing(using: str) -> list[str]:
    """Return the names of the triggers that are missing or disabled in this database."""
    connection = connections[using]
    query = (
        # O fires in ordinary sessions, A always; D is disabled, R fires in replication only.
        "SELECT tgname FROM pg_trigger WHERE tgrelid IN (%s::regclass, %s::regclass) AND tgenabled IN ('O', 'A')"
        if connection.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN (%s, %s)"
    )
    with connection.cursor() as cursor:
        cursor.execute(query, [LOG, PERSONAL])
        present = {row[0] for row in cursor.fetchall()}
    return [name for name in wanted(connection.vendor) if name not in present]


def wanted(vendor: str) -> dict[str, str]:
    """Map the name of every trigger that this kind of database needs to its definition."""
    return _POSTGRESQL if vendor == "postgresql" else _SQLITE
