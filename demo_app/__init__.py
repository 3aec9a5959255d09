"""An invented history of a deployment: what `manage.py seed_demo` writes."""
