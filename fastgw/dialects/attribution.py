"""The text of an error as a caller reads it: who refused, then why.

Invariant: the text is valid UTF-8 and begins with ``gateway:`` or ``provider:``.
"""

from __future__ import annotations

from fastgw.domain.errors import GatewayError


def attributed_message(error: GatewayError) -> str:
    """The message, with the one who refused in front. Lone surrogates are escaped."""
    who = "provider" if error.source == "upstream" else "gateway"
    return f"{who}: {error.message}".encode("utf-8", "backslashreplace").decode("utf-8")
