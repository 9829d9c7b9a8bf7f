"""The ``[ledger]`` section: where rows go and what survives which failure.

Owns the section's fields and their ranges. Opens nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Sync = Literal["os", "interval", "always"]

_NS_PER_DAY = 86_400_000_000_000


class LedgerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[ledger]``.

    ``sync`` says what a *power cut* may take (a killed process loses nothing): ``os``, what the kernel has not
    written yet (some 30 s); ``interval``, the last ``sync_interval_ms``; ``always``, nothing that was answered,
    because the answer's last byte waits for the disk. ``retention_days`` = 0 keeps rows for ever. When the disk is
    full or ``max_journal_mib`` is reached, each worker keeps up to ``max_buffer_mib`` of records in memory; what does
    not fit is lost, and counted.
    """

    url: Annotated[str, Meta(pattern="^sqlite:.")] = "sqlite:fastgw.db"
    sync: Sync = "interval"
    sync_interval_ms: Annotated[int, Meta(ge=1, le=60_000)] = 20
    retention_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    drain_interval_ms: Annotated[int, Meta(ge=1, le=60_000)] = 100
    max_buffer_mib: Annotated[int, Meta(ge=1, le=4096)] = 64
    max_journal_mib: Annotated[int, Meta(ge=16, le=1_048_576)] = 1024

    @property
    def database_path(self) -> Path:
        """The file behind ``url``; relative to the working directory unless it begins with ``/``."""
        return Path(self.url.removeprefix("sqlite:"))

    @property
    def journal_directory(self) -> Path:
        """Where every worker's segments are."""
        return journal_directory(self.database_path)

    @property
    def retention_ns(self) -> int:
        """How long a row is kept; 0 for ever."""
        return self.retention_days * _NS_PER_DAY


def journal_directory(database_path: Path) -> Path:
    """``<database>.segments``. Not ``-journal``: SQLite uses that name for a file of its own."""
    return database_path.with_name(database_path.name + ".segments")
