"""Mail over real sockets, to a server of the test's."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from fastgw.alerts import mail
from fastgw.alerts.channel import DeliveryError
from fastgw.alerts.config import AlertChannelRow
from fastgw.alerts.mail import MailChannel
from fastgw.domain.alert import Alert
from fastgw.identity.secret import SecretText
from tests.unit.domain.test_alert import alert

PASSWORD = "mail-s3cret"


class Inbox:
    """What the server was given; ``answer`` is what it says to a mail."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.answer = "250 OK"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        self.envelopes.append(envelope)
        return self.answer

    def mail(self) -> EmailMessage:
        (envelope,) = self.envelopes
        assert isinstance(envelope.content, bytes)
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mail")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run(
        [*command.split(), "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True
    )
    return folder


@contextlib.contextmanager
def serving(inbox: Inbox, certificate: Path | None = None, *, wrapped: bool = False, **options: Any) -> Iterator[int]:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=port,
        ssl_context=context if wrapped else None,
        tls_context=None if wrapped else context,
        server_hostname="localhost",
        **options,
    )
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def row(port: int, **fields: Any) -> AlertChannelRow:
    values: dict[str, Any] = {
        "name": "mail",
        "kind": "smtp",
        "host": "localhost",
        "port": port,
        "tls": "none",
        "sender": "fastgw@example.com",
        "to": ("ops@example.com", "more@example.com"),
    }
    return AlertChannelRow(**(values | fields))


def deliver(row: AlertChannelRow, each: Alert | None = None) -> None:
    asyncio.run(MailChannel(row).deliver(each or alert()))


def test_a_mail_has_a_line_for_people_and_the_json() -> None:
    inbox = Inbox()
    with serving(inbox) as port:
        deliver(row(port))
    found = inbox.mail()
    assert found["Subject"] == f"fastgw: {alert().text}"
    assert found["From"] == "fastgw@example.com"
    assert found["To"] == "ops@example.com, more@example.com"
    assert found["Message-ID"] == "<a1-900000@fastgw>"
    assert found["Date"] == "Sun, 01 Nov 2026 10:00:00 +0000"
    line, _, document = found.get_content().replace("\r\n", "\n").partition("\n\n")
    assert line == alert().text
    assert msgspec.json.decode(document, type=Alert) == alert()
    assert inbox.envelopes[0].rcpt_tos == ["ops@example.com", "more@example.com"]


def test_no_name_of_a_caller_becomes_a_header() -> None:
    inbox = Inbox()
    with serving(inbox) as port:
        deliver(row(port), alert(scope={"user": "eve\r\nBcc: all@example.com", "metadata.x": "größe " * 40}))
    assert inbox.mail()["Bcc"] is None
    assert "eve\\x0d\\x0aBcc: all@example.com" in inbox.mail()["Subject"]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_password_is_sent_over_tls(tls: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword) -> AuthResult:
        seen.append((f"{data.login.decode()}:{data.password.decode()}", session.ssl is not None))
        return AuthResult(success=data.password.decode() == PASSWORD, handled=False)

    trusted = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    monkeypatch.setattr(mail, "ssl", SimpleNamespace(create_default_context=lambda: trusted))
    inbox = Inbox()
    options = {"authenticator": check, "auth_require_tls": tls == "starttls", "auth_required": True}
    signed = {"tls": tls, "user": "ops", "password": SecretText(PASSWORD, "env:MAIL")}
    with serving(inbox, certificate, wrapped=tls == "tls", **options) as port:
        deliver(row(port, **signed))
        assert len(inbox.envelopes) == 1
        with pytest.raises(DeliveryError, match=r"^SMTPAuthenticationError: it answered 535$") as refused:
            deliver(row(port, **(signed | {"password": SecretText("wrong-s3cret", "env:MAIL")})))
    assert "s3cret" not in str(refused.value)
    assert seen[0][0] == f"ops:{PASSWORD}"
    if tls == "starttls":
        assert all(is_tls for _, is_tls in seen)


def test_a_certificate_of_nobody_known_is_refused(certificate: Path) -> None:
    inbox = Inbox()
    with (
        serving(inbox, certificate) as port,
        pytest.raises(DeliveryError, match="SSLCertVerificationError: CERTIFICATE_VERIFY_FAILED"),
    ):
        deliver(row(port, tls="starttls"))
    assert not inbox.envelopes


def test_what_a_server_says_is_not_repeated() -> None:
    inbox = Inbox()
    inbox.answer = "554 s3cret reason"
    with serving(inbox) as port, pytest.raises(DeliveryError, match=r"^SMTPDataError: it answered 554$"):
        deliver(row(port))
    refusal = smtplib.SMTPRecipientsRefused({"a@b": (550, b"s3cret")})
    assert mail._problem(refusal) == "SMTPRecipientsRefused: 1 refused"
    with pytest.raises(DeliveryError, match="ConnectionRefusedError"):
        deliver(row(1))


def test_an_attempt_that_is_ended_does_not_wait_for_the_server() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()

        async def main() -> float:
            task = asyncio.ensure_future(MailChannel(row(silent.getsockname()[1], host="127.0.0.1")).deliver(alert()))
            peer, _ = await asyncio.to_thread(silent.accept)
            await asyncio.sleep(0.1)
            began_s = time.monotonic()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            peer.close()
            return began_s

        began_s = asyncio.run(main())  # ends when the thread has
        assert time.monotonic() - began_s < 5
