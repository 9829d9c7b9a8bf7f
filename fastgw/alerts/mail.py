"""Alerts by mail, over SMTP in a thread.

Invariant: a password is sent only after TLS, or to this machine itself. Copies of an alert have the same ``Message-ID``.
"""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

import msgspec

from fastgw.alerts.channel import ATTEMPT_S, DeliveryError, failure_text
from fastgw.alerts.config import MAIL_PORTS, AlertChannelRow
from fastgw.domain.alert import Alert


class MailChannel:
    """Sends to the addresses of a row with ``kind = "smtp"``."""

    def __init__(self, row: AlertChannelRow) -> None:
        self._row = row
        self._connection: smtplib.SMTP | None = None

    async def deliver(self, alert: Alert) -> None:
        """One mail to all. Raises DeliveryError."""
        try:
            await asyncio.to_thread(self._send, alert)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise DeliveryError(_problem(error)) from None
        except asyncio.CancelledError:
            self._hang_up()
            raise

    async def close(self) -> None:
        """Each mail has a connection of its own."""

    def message(self, alert: Alert) -> EmailMessage:
        """The mail of an alert: a line for people, and its JSON."""
        mail = EmailMessage()
        mail["Subject"] = f"fastgw: {alert.text}"
        mail["From"] = self._row.sender
        mail["To"] = ", ".join(self._row.to)
        mail["Date"] = format_datetime(datetime.fromisoformat(alert.at))
        mail["Message-ID"] = f"<{alert.id}@fastgw>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(f"{alert.text}\n\n{msgspec.json.format(msgspec.json.encode(alert)).decode()}\n")
        return mail

    def _send(self, alert: Alert) -> None:
        row = self._row
        context = ssl.create_default_context()
        host, port = row.host or "", row.port or MAIL_PORTS[row.tls]
        # The name of this machine as it is: to look for a better one can take longer than the mail.
        own_name = socket.gethostname()
        if row.tls == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(host, port, own_name, timeout=ATTEMPT_S, context=context)
        else:
            connection = smtplib.SMTP(host, port, own_name, timeout=ATTEMPT_S)
        self._connection = connection
        with connection:
            if row.tls == "starttls":
                connection.starttls(context=context)
            if row.user is not None and row.password is not None:
                connection.login(row.user, row.password.reveal())
            connection.send_message(self.message(alert), row.sender, list(row.to))

    def _hang_up(self) -> None:
        # The thread is in a read or a write; it ends when its connection does.
        sock = self._connection.sock if self._connection is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _problem(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__}: it answered {error.smtp_code}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"{type(error).__name__}: {len(error.recipients)} refused"
    return failure_text(error)
