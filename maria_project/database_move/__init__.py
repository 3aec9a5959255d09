"""Moves everything from SQLite to PostgreSQL: `manage.py move_database`."""

# The table of steps, in the new database until the move is done.
TABLE = "maria_database_move"
