"""What django-q2 runs for the deployment as a whole."""


def heartbeat() -> str:
    """Show, by its mere success, that a worker takes and finishes tasks."""
    return "alive"
