"""The admin pages of this app; importing the modules registers them."""

from uploads_app.admin import files, runs, trash

__all__ = ["files", "runs", "trash"]
