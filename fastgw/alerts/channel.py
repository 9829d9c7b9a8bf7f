"""What a channel is, and the one that needs no other machine: the log.

Invariant: what a channel says of its failures has no secret in it, neither its address nor what a server answered.
"""

from __future__ import annotations

import logging
import os
import ssl
from typing import Final, Protocol

from fastgw.domain.alert import Alert

ATTEMPT_S: Final = 10.0
"""An attempt takes no longer: a receiver that needs more should answer first and work then."""
_log = logging.getLogger("fastgw.alerts")


class DeliveryError(Exception):
    """An alert did not arrive; the text is for operators."""


class Channel(Protocol):
    """Where alerts go. Used by one task."""

    async def deliver(self, alert: Alert) -> None:
        """Send it once. Raises DeliveryError."""

    async def close(self) -> None:
        """Let go of connections."""


class LogChannel:
    """Writes a line at level WARNING."""

    async def deliver(self, alert: Alert) -> None:
        """Never fails."""
        _log.warning("%s (alert %s)", alert.text, alert.id)

    async def close(self) -> None:
        """There is nothing to let go."""


def failure_text(error: BaseException) -> str:
    """The kind of an error, and the system's or the protocol's reason where there is one; never the message, which may have an
    address in it."""
    reason = ""
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
    elif isinstance(error, OSError) and error.errno and error.errno > 0:
        reason = os.strerror(error.errno)
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
