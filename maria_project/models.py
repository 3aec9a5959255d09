"""No models. Django sends `post_migrate` only for an app that has this module (see apps.py)."""
