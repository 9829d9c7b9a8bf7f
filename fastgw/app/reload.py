"""What a reload may change, and what it may not without a restart."""

from __future__ import annotations

from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError


def refuse_fixed_changes(old: Settings, new: Settings) -> None:
    """Sockets, processes and the database belong to the start.

    Raises:
        ConfigError: the new configuration changes what only a restart can.
    """
    fixed: tuple[tuple[str, object, object], ...] = (
        ("server.listen", old.server.listen, new.server.listen),
        ("server.workers", old.server.workers, new.server.workers),
        ("admin.listen", old.admin.listen, new.admin.listen),
        ("ledger", old.ledger, new.ledger),
    )
    for path, was, becomes in fixed:
        if was != becomes:
            raise ConfigError(
                path, "expected the value the gateway was started with; a change takes effect after a restart"
            )
