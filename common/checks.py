"""Start-up checks of settings."""

# The tag of checks of what an operator sets. The others check the code.
SETTINGS = "settings"
