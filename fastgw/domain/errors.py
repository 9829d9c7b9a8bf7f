"""The one error of the gateway.

Expected refusals and provider failures are raised as :class:`GatewayError` and mapped to the wire in one place
(``front/respond``). A subclass exists only where *handling* differs, not where the cause does.
"""

from __future__ import annotations

from typing import Final, Literal

Source = Literal["client", "policy", "upstream", "internal"]
Retry = Literal["never", "same_target", "other_target", "after"]

CLIENT_CLOSED_STATUS: Final = 499
"""Recorded, never sent: the client went away (the convention of nginx)."""


class GatewayError(Exception):
    """A call that cannot be served.

    ``code`` is stable and documented; ``message`` is safe to show to the caller; ``detail`` goes to the log only;
    ``retry_after_ns`` counts from now and is meaningful with ``retry="after"``; ``lines`` are header lines for the answer.
    """

    __slots__ = ("code", "detail", "lines", "message", "param", "retry", "retry_after_ns", "source", "status")

    def __init__(  # noqa: PLR0913 - the one error carries all that a refusal must say
        self,
        code: str,
        message: str,
        *,
        status: int,
        source: Source,
        retry: Retry = "never",
        retry_after_ns: int = 0,
        param: str | None = None,
        detail: str = "",
        lines: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.source: Source = source
        self.retry: Retry = retry
        self.retry_after_ns = retry_after_ns
        self.param = param
        self.detail = detail
        self.lines = lines


class ConfigError(Exception):
    """A configuration that is refused whole.

    ``path`` names the field (``budgets[2].limit_usd``); the message says what was expected and what came, never a secret.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem
