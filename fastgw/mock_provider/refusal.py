"""Error answers in the vendors' own shapes.

A :class:`Refusal` says what is wrong once; the two encoders write it as OpenAI and as Anthropic do. Sources: the error
pages of both API references. It decides nothing.
"""

from __future__ import annotations

from typing import Final

import orjson

ANTHROPIC_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
MESSAGES: Final = {
    400: "The request was refused by the mock provider.",
    401: "Incorrect API key provided.",
    403: "You are not allowed to use this model.",
    404: "The model does not exist.",
    429: "Rate limit reached for this model.",
    503: "The engine is currently overloaded, please try again later.",
    529: "Overloaded",
}


class Refusal(Exception):  # noqa: N818 - an answer the protocol has a word for, not a failure of the mock
    """A request that is answered with an error.

    ``retry_after_s`` is sent as ``retry-after`` when it is not ``None``.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s


def refusal_for_status(status: int, code: str, retry_after_s: int | None) -> Refusal:
    """The refusal that a ``status=`` directive asks for, with the code the vendor is known to use unless given."""
    usual = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}.get(status)
    message = MESSAGES.get(status, "The server had an error while processing your request.")
    return Refusal(status, message, code=code or usual, retry_after_s=retry_after_s)


def encode_openai_error(refusal: Refusal, _request_id: str) -> bytes:
    kind = "server_error" if refusal.status >= 500 else "invalid_request_error"
    if refusal.status == 429:
        kind = "insufficient_quota" if refusal.code == "insufficient_quota" else "requests"
    return orjson.dumps(
        {"error": {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}}
    )


def encode_anthropic_error(refusal: Refusal, request_id: str) -> bytes:
    kind = refusal.code if refusal.code and refusal.code.endswith("_error") else ANTHROPIC_TYPES.get(refusal.status)
    if kind is None:
        kind = "api_error" if refusal.status >= 500 else "invalid_request_error"
    error = {"type": kind, "message": refusal.message}
    return orjson.dumps({"type": "error", "error": error, "request_id": request_id})
