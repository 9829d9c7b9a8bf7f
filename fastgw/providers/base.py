"""The shape of what is known about a vendor, and of an account's endpoint that is made from it and the configuration.

Invariant: a credential is bound to one host: an endpoint's address comes from the operator's file alone, and nothing
in a request changes it. No field holds a revealed secret; :meth:`ProviderEndpoint.header_lines` makes the bytes when
they are wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from fastgw.domain.operation import Dialect, Operation
from fastgw.domain.target import Account
from fastgw.identity.secret import SecretText

Scheme = Literal["http", "https"]

HOP_BY_HOP: Final = (
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
)
"""RFC 9110 section 7.6.1: about one connection. Names that a ``connection`` header lists belong to them too."""

CREDENTIAL_HEADERS: Final = (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key", b"cookie")
"""What authenticates a caller to us must not reach a provider, and the credential that goes there is ours."""

REQUEST_HEADERS_DROPPED: Final = (
    *HOP_BY_HOP,
    *CREDENTIAL_HEADERS,
    b"accept-encoding",
    b"content-length",
    b"expect",
    b"forwarded",
    b"host",
    b"http2-settings",
    b"via",
    b"x-real-ip",
)
"""Client headers that no provider is sent, in lower case: credentials, framing (written anew), and where the client
sits. ``accept-encoding`` is replaced by ``identity``, because usage is read from the answer as it passes."""
REQUEST_PREFIXES_DROPPED: Final = (b"x-fastgw-", b"x-tfy-", b"x-forwarded-")

RESPONSE_HEADERS_DROPPED: Final = (
    *HOP_BY_HOP,
    b"alt-svc",
    b"clear-site-data",
    b"content-length",
    b"nel",
    b"report-to",
    b"server",
    b"set-cookie",
    b"strict-transport-security",
    b"www-authenticate",
    b"x-request-id",
)
"""Provider headers that no client is sent, in lower case: framing (written anew), what a browser would pin to our
host name, cookies of a session that is ours, and the id that we set ourselves."""
RESPONSE_PREFIXES_DROPPED: Final = (b"x-fastgw-", b"x-tfy-", b"access-control-")


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """What the documentation of a vendor says, as data.

    ``paths`` holds the operations that are served and nothing else, relative to the base URL. ``default_headers`` are
    sent only when the client sent none of that name. ``request_headers_dropped`` choose whose account is billed: that
    is the operator's choice. ``response_headers_dropped`` name the operator's account.
    """

    kind: str
    dialect: Dialect
    default_base_url: str
    paths: Mapping[Operation, str]
    auth_header: bytes
    auth_prefix: bytes = b""
    default_headers: tuple[tuple[bytes, bytes], ...] = ()
    request_headers_dropped: tuple[bytes, ...] = ()
    response_headers_dropped: tuple[bytes, ...] = ()


class ProviderEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to call one account.

    ``host`` is for DNS and TLS (an IPv6 address without brackets), ``host_header`` the value to write. ``paths`` are
    full request paths. ``default_headers`` as in :class:`Vendor`. ``request_headers_dropped`` and
    ``response_headers_dropped`` are complete: general, vendor's, and the names that the account sets itself.
    """

    account: Account
    dialect: Dialect
    scheme: Scheme
    host: str
    port: int
    host_header: bytes
    paths: Mapping[Operation, bytes]
    auth_header: bytes
    auth_prefix: bytes
    credential: SecretText | None
    extra_header_lines: bytes
    default_headers: tuple[tuple[bytes, bytes], ...]
    request_headers_dropped: frozenset[bytes]
    response_headers_dropped: frozenset[bytes]

    def output_cap_member(self, operation: Operation) -> bytes:
        """The member of a request that caps its output, where the caller names none.

        OpenAI's own reasoning models refuse the old name (https://platform.openai.com/docs/api-reference/chat); many servers that
        speak its dialect know only that.
        """
        if operation == "chat" and self.host == "api.openai.com":
            return b"max_completion_tokens"
        return b"max_output_tokens" if operation == "respond" else b"max_tokens"

    @property
    def credential_reference(self) -> str:
        """How to name the credential to a person: ``env:OPENAI_API_KEY``; never its value."""
        return "none configured" if self.credential is None else self.credential.reference

    def header_lines(self) -> bytes:
        """The lines that every request to this account carries, each ended by CRLF: host, credential, configured
        headers.

        The result holds the credential: it goes onto the wire, and nowhere else.
        """
        lines = b"host: " + self.host_header + b"\r\naccept-encoding: identity\r\n"
        if self.credential is not None:
            secret = self.credential.reveal().encode("ascii")
            lines += self.auth_header + b": " + self.auth_prefix + secret + b"\r\n"
        return lines + self.extra_header_lines
