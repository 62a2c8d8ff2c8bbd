"""Sends one message by SMTP, encrypted and with a login where the operator has set them (LEDGER_SMTP_*).

Rules: STARTTLS is demanded, not offered: a server or a man in the middle that does not offer it gets nothing. The
certificate is checked. A Message-ID is the same at every attempt, so that a mail program can recognise a repeat.
"""

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final

from ledger.notifications.formats import Message
from ledger.notifications.settings import MailServer, NotifierSettings
from ledger.notifications.webhook import DeliveryError, reason

MAX_ADDRESS: Final = 254  # characters: RFC 5321, 4.5.3.1.3
# That of an input of type email: https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address
ADDRESS: Final = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)


def is_address(given: str) -> bool:
    """Return whether this is one address of a mailbox, and nothing else that a header could carry."""
    return len(given) <= MAX_ADDRESS and ADDRESS.fullmatch(given) is not None


def compose(message: Message, recipient: str, server: MailServer) -> EmailMessage:
    """Return the e-mail of a message."""
    email = EmailMessage()
    email["From"] = server.sender
    email["To"] = recipient
    email["Subject"] = message.title
    email["Date"] = format_datetime(message.at.replace(tzinfo=UTC))
    email["Message-ID"] = f"<{message.id}@{server.sender.rpartition('@')[2].strip('<> ')}>"
    email["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply
    lines = [message.summary, ""]
    lines += [f"  {_line(one)}" for one in message.details.get("connections", ())]
    lines += [""] if message.details.get("connections") else []
    lines += [f"Project: {message.project}", f"Time:    {message.at:%Y-%m-%d %H:%M:%S} UTC"]
    lines += [f"Proof:   {message.digest}"] if message.digest else []
    lines += ["", message.link] if message.link else []
    email.set_content("\n".join(lines) + "\n")
    return email


def send(message: Message, recipient: str, settings: NotifierSettings) -> None:
    """Send a message to a mailbox; DeliveryError unless the server has taken it."""
    server = settings.mail_server
    if server is None:
        raise DeliveryError("the operator has set no SMTP server (LEDGER_SMTP_HOST).")
    late, client = threading.Event(), _client(server, settings.timeout)
    timer = threading.Timer(settings.timeout, _cut, (client, late))
    timer.daemon = True
    timer.start()
    try:
        client.connect(server.host, server.port)
        _deliver(client, server, compose(message, recipient, server))
    except (OSError, smtplib.SMTPException) as error:  # an SMTPException is an OSError without a number
        raise DeliveryError("no answer in time." if late.is_set() else _sentence(error)) from error
    finally:
        timer.cancel()
        client.close()


def _client(server: MailServer, timeout: float) -> smtplib.SMTP:
    """Return a client that is not connected yet, so that the deadline counts from before the server's greeting."""
    client = (
        smtplib.SMTP_SSL(timeout=timeout, context=_tls(server))
        if server.security == "tls"
        else smtplib.SMTP(timeout=timeout)
    )
    # The name that the certificate is checked for; smtplib sets it only when the constructor connects.
    client._host = server.host  # type: ignore[attr-defined]  # noqa: SLF001
    return client


def _deliver(client: smtplib.SMTP, server: MailServer, email: EmailMessage) -> None:
    if server.security == "starttls":
        client.starttls(context=_tls(server))  # raises where the server does not offer it
    if server.user and server.password_file:
        client.login(server.user, server.password_file.read_text(encoding="utf-8").rstrip("\n"))
    client.send_message(email)
    with suppress(OSError):
        client.quit()  # the message is taken, whatever comes now


def _tls(server: MailServer) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.ca_file or None)


def _cut(client: smtplib.SMTP, late: threading.Event) -> None:
    late.set()
    try:
        if client.sock is not None:
            client.sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the server was faster


def _sentence(error: OSError) -> str:
    """Return what the server said: its code alone, because its text may repeat what was sent."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"the SMTP server refused the recipient ({next(iter(error.recipients.values()))[0]})."
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the SMTP server refused the login ({error.smtp_code})."
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the SMTP server does not offer what is set: STARTTLS, a login, or addresses in UTF-8."
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the SMTP server answered {error.smtp_code}."
    if isinstance(error, smtplib.SMTPException):
        return "the SMTP server closed the connection."
    return f"no connection: {reason(error)}."


def _line(connection: Mapping[str, Any]) -> str:
    return f"{connection['source']} -> {connection['target']} {connection['port']}/{connection['protocol']}"
