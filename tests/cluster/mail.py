"""The mail server of a cluster. It delivers nothing: it keeps what it gets."""

from aiosmtpd.controller import Controller

from tests.cluster.hosts import Host
from tests.mailbox import Mailbox

PORT = 25


def serve(host: Host) -> Mailbox:
    """Start a mail server on a host; return its mailbox. It ends with this process."""
    mailbox = Mailbox()
    with host:
        Controller(mailbox, hostname=host.address, port=PORT).start()
    return mailbox
