"""Moves everything from SQLite to PostgreSQL: `manage.py move_database`."""
