"""Audit events that belong to no single app."""

from audit_app.events import register

DEMO_SEEDED = register(
    "system.demo_seeded",
    "Somebody filled this database with an invented history; it is no production database.",
    "sessions",
    "seed",
    "with_files",
)
