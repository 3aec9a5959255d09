"""The invented history of `manage.py seed_demo`."""
