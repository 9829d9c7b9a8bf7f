"""The seam to the native floor: its errors become the gateway's, here and nowhere else.

The native floor says what happened on a connection; which connection it was decides who is to blame.
"""

from __future__ import annotations

from typing import Final

from fastgw._native.errors import DeadlineExceeded, HttpLimitError, HttpSyntaxError, NativeError
from fastgw.domain.errors import GatewayError

_DEADLINES: Final = {
    "first_byte": "sent no answer in time",
    "idle": "stopped in the middle of its answer",
    "total": "did not finish its answer in time",
}


def client_error(error: NativeError) -> GatewayError:
    """What was wrong with the client's request."""
    if isinstance(error, DeadlineExceeded):
        problem = "the request's body did not arrive in time"
        return GatewayError("request_timeout", problem, status=408, source="client")
    status = error.status if isinstance(error, HttpSyntaxError | HttpLimitError) else 400
    code = "body_too_large" if status == 413 else "invalid_request"
    return GatewayError(code, str(error), status=status, source="client")


def upstream_error(provider: str, error: NativeError) -> GatewayError:
    """What was wrong with the provider's answer."""
    if isinstance(error, DeadlineExceeded):
        message = f"provider `{provider}` {_DEADLINES.get(error.which, 'was too slow')}"
        return GatewayError("provider_timeout", message, status=504, source="upstream", retry="other_target")
    if isinstance(error, HttpSyntaxError | HttpLimitError):
        code, message = "provider_protocol", f"provider `{provider}` answered with what is not valid HTTP"
    else:
        code, message = "provider_connection_lost", f"provider `{provider}`: {error}"
    return GatewayError(code, message, status=502, source="upstream", retry="other_target", detail=str(error))
