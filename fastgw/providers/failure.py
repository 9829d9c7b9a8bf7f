"""What a provider's refusal means, and what the client is told about it.

Invariant: a provider's 401, 403 or 407 never reaches a client as such, because it speaks of the operator's
credential, not of the caller's; its text is not repeated either, because vendors quote part of the key in it. Any
other refusal that already has the dialect's error shape passes as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from fastgw.domain.errors import GatewayError
from fastgw.domain.failure import FailureClass
from fastgw.domain.operation import Dialect
from fastgw.domain.text import show, show_bytes
from fastgw.providers.base import ProviderEndpoint


class FailureRow(NamedTuple):
    """One line of the table. ``code`` is the vendor's ``code`` or ``type`` in the body; empty matches any."""

    vendor: str
    status: int
    code: str
    failure: FailureClass
    source: str


_OPENAI: Final = "https://platform.openai.com/docs/guides/error-codes"
_OPENAI_SDK: Final = "openai 3.54.0, types/beta/session_turn_error.py"
_OPENAI_LIVE: Final = "https://help.openai.com/en/articles/6891839-api-error-codes"
_ANTHROPIC: Final = "https://docs.claude.com/en/api/errors"
_ANTHROPIC_SDK: Final = "anthropic 2.12.0, types/error_details.py"

FAILURES: Final = (
    FailureRow("openai", 400, "", FailureClass.CALLER_FAULT, _OPENAI),
    FailureRow("openai", 400, "billing_hard_limit_reached", FailureClass.QUOTA, _OPENAI_LIVE),
    FailureRow("openai", 401, "", FailureClass.CREDENTIAL, _OPENAI),
    FailureRow("openai", 403, "", FailureClass.MODEL_ACCESS, _OPENAI),
    FailureRow("openai", 403, "unsupported_country_region_territory", FailureClass.REGION_BLOCKED, _OPENAI),
    FailureRow("openai", 404, "", FailureClass.MODEL_GONE, _OPENAI),
    FailureRow("openai", 429, "", FailureClass.RATE_LIMITED, _OPENAI),
    FailureRow("openai", 429, "insufficient_quota", FailureClass.QUOTA, _OPENAI),
    FailureRow("openai", 429, "billing_not_active", FailureClass.QUOTA, _OPENAI_LIVE),
    FailureRow("openai", 429, "project_spend_limit_exceeded", FailureClass.QUOTA, _OPENAI_SDK),
    FailureRow("openai", 429, "organization_spend_limit_exceeded", FailureClass.QUOTA, _OPENAI_SDK),
    FailureRow("openai", 500, "", FailureClass.TRANSIENT, _OPENAI),
    FailureRow("openai", 503, "", FailureClass.TRANSIENT, _OPENAI),
    FailureRow("anthropic", 400, "", FailureClass.CALLER_FAULT, _ANTHROPIC),
    FailureRow("anthropic", 400, "organization_on_hold", FailureClass.CREDENTIAL, _ANTHROPIC_SDK),
    FailureRow("anthropic", 401, "", FailureClass.CREDENTIAL, _ANTHROPIC),
    FailureRow("anthropic", 402, "", FailureClass.QUOTA, _ANTHROPIC),
    FailureRow("anthropic", 403, "", FailureClass.MODEL_ACCESS, _ANTHROPIC),
    FailureRow("anthropic", 404, "", FailureClass.MODEL_GONE, _ANTHROPIC),
    FailureRow("anthropic", 413, "", FailureClass.CALLER_FAULT, _ANTHROPIC),
    FailureRow("anthropic", 429, "", FailureClass.RATE_LIMITED, _ANTHROPIC),
    FailureRow("anthropic", 429, "enforced_spend_limit_reached", FailureClass.QUOTA, _ANTHROPIC_SDK),
    FailureRow("anthropic", 429, "contract_spend_limit_reached", FailureClass.QUOTA, _ANTHROPIC_SDK),
    FailureRow("anthropic", 500, "", FailureClass.TRANSIENT, _ANTHROPIC),
    FailureRow("anthropic", 504, "", FailureClass.TRANSIENT, _ANTHROPIC),
    FailureRow("anthropic", 529, "", FailureClass.TRANSIENT, _ANTHROPIC),
)
"""What the vendors document. Statuses that are not here fall back to what HTTP says of them (:func:`classify`)."""

_TABLE: Final[Mapping[tuple[str, int, str], FailureClass]] = {
    (row.vendor, row.status, row.code): row.failure for row in FAILURES
}
_BY_STATUS: Final[Mapping[int, FailureClass]] = {
    401: FailureClass.CREDENTIAL,
    402: FailureClass.QUOTA,
    403: FailureClass.MODEL_ACCESS,
    404: FailureClass.MODEL_GONE,
    407: FailureClass.CREDENTIAL,
    408: FailureClass.TRANSIENT,
    410: FailureClass.MODEL_GONE,
    425: FailureClass.TRANSIENT,
    429: FailureClass.RATE_LIMITED,
}
"""RFC 9110 section 15, RFC 6585, RFC 8470: for servers that speak a vendor's dialect with statuses of their own."""

_CREDENTIAL_STATUSES: Final = frozenset({401, 403, 407})
_SAFE_CODE: Final = re.compile(r"[a-z][a-z_]{1,63}", re.ASCII)
"""Codes as vendors write them. A key has digits, dashes or capitals, so none passes."""


class ErrorBody(NamedTuple):
    """A refusal in the dialect's own shape. ``codes`` go from the most specific to the broadest."""

    message: str
    codes: tuple[str, ...]


def classify(vendor: str, status: int, codes: tuple[str, ...] = ()) -> FailureClass:
    """The class of a refusal: the vendor's rows, else what HTTP says of the status. One under 400 is a breach."""
    for code in (*codes, ""):
        known = _TABLE.get((vendor, status, code))
        if known is not None:
            return known
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    if status >= 600 or status < 400:
        return FailureClass.PROTOCOL
    return FailureClass.TRANSIENT if status >= 500 else FailureClass.CALLER_FAULT


def read_error(dialect: Dialect, body: bytes) -> ErrorBody | None:
    """The body as an error of the dialect; ``None`` when it has another shape, or is no JSON."""
    try:
        document: Any = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or (dialect == "anthropic" and document.get("type") != "error"):
        return None
    error = document.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    kind = error.get("type")
    if dialect == "anthropic" and not isinstance(kind, str):
        return None
    details = error.get("details")
    nested = details.get("error_code") if isinstance(details, dict) else None
    codes = tuple(code for code in (nested, error.get("code"), kind) if isinstance(code, str) and code)
    return ErrorBody(error["message"], codes)


def explain_failure(endpoint: ProviderEndpoint, status: int, body: bytes) -> GatewayError | None:
    """What the client is told in place of a provider's refusal; ``None``: pass the provider's answer as it is.

    ``status`` is the provider's, any but 2xx; ``body`` is its whole body, or as much as the caller keeps of one. A
    credential refusal becomes 502 ``provider_credential_refused``; a redirect, which is never followed, 502
    ``provider_protocol``; a body that is not the dialect's becomes ``provider_error`` with the provider's status and
    an excerpt.
    """
    name = endpoint.account.name
    error = read_error(endpoint.dialect, body)
    if status in _CREDENTIAL_STATUSES:
        return _credential_refused(endpoint, status, error)
    if status < 400 or status >= 600:
        return GatewayError(
            "provider_protocol",
            f"provider `{name}` answered with status {status}, which a call cannot end with",
            status=502,
            source="upstream",
        )
    if error is not None:
        return None
    excerpt = show_bytes(body.strip())
    return GatewayError(
        "provider_error",
        f"provider `{name}` answered {status} with "
        + (f"a body that is not an API error: {excerpt}" if excerpt else "an empty body"),
        status=status,
        source="upstream",
        retry="other_target" if classify(endpoint.account.kind, status) is FailureClass.TRANSIENT else "never",
    )


def _credential_refused(endpoint: ProviderEndpoint, status: int, error: ErrorBody | None) -> GatewayError:
    safe = [code for code in (error.codes if error is not None else ()) if _SAFE_CODE.fullmatch(code)]
    reason = f", {safe[0]}" if safe else ""
    reference = show(endpoint.credential_reference)
    return GatewayError(
        "provider_credential_refused",
        f"provider `{endpoint.account.name}` refused the gateway's credential ({reference}) with status {status}"
        f"{reason}; the caller's key is not the cause",
        status=502,
        source="upstream",
        retry="other_target",
    )
