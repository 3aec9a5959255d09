"""An SMTP handler of aiosmtpd that keeps the messages it gets."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any


class Mailbox:
    """An SMTP handler that stores messages; it answers `refusal` instead if that is set."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.refusal = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refusal:
            return self.refusal
        # Parsed from the bytes on the wire, so that an injected header would appear here.
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return "250 OK"

    def sent_code(self) -> str:
        """Return the six digits in the newest message."""
        found = re.search(r"\b\d{6}\b", self.messages[-1].get_content())
        assert found is not None
        return found[0]
