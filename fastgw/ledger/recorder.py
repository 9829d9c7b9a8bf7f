"""The worker's side of the ledger: two records a call, and a bounded buffer for when the disk is full.

Owns the journal writer of this worker. The one invariant: records reach the journal in the order in which they were
made, and one that does not is counted in ``lost_records``. Never raises for a full disk, never awaits, and does not
sync (``journal_sync`` does).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from fastgw._native.errors import JournalError
from fastgw._native.journal import OPENED, SETTLED, JournalWriter
from fastgw._native.ledger_record import LedgerRecord
from fastgw.ledger.config import LedgerConfig

# What CPython takes for the tuple, the id and the bytes object of a waiting record, beside its payload (measured: 160).
_WAITING_BYTES = 160
_BYTES_PER_MIB = 1 << 20


class Recorder:
    """Journals rows through ``writer``, which it owns from here on; keeps at most ``max_buffer_bytes`` when that
    is full.

    A buffered record is *not* safe from ``kill -9``. ``flush`` is to be called about once a second.
    """

    __slots__ = (
        "_max_buffer_bytes",
        "_waiting",
        "_waiting_bytes",
        "_writer",
        "durable",
        "lost_records",
    )

    def __init__(self, writer: JournalWriter, max_buffer_bytes: int) -> None:
        self._writer = writer
        self._max_buffer_bytes = max_buffer_bytes
        self._waiting: deque[tuple[int, int, bytes]] = deque()
        self._waiting_bytes = 0
        self.lost_records = 0
        self.durable: Callable[[], Awaitable[None]] | None = None

    @property
    def writer(self) -> JournalWriter:
        """The journal, for whoever syncs it."""
        return self._writer

    @property
    def waiting_records(self) -> int:
        """Records that wait for the journal."""
        return len(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """Memory that records waiting for the journal take."""
        return self._waiting_bytes

    @property
    def problem(self) -> str | None:
        """Why records wait in memory, for readiness; ``None`` when none does."""
        if not self._waiting:
            return None
        return f"{self._writer.problem or 'journal is full'}; {len(self._waiting)} records wait in memory"

    def opened(self, entry: LedgerRecord) -> None:
        """Record an admitted call, with its estimate as cost: the row it becomes if nothing else is recorded."""
        try:
            if self._waiting or not self._writer.append_record(OPENED, entry):
                self._keep(OPENED, entry)
        except ValueError:  # longer than a segment: no later try can help it
            self.lost_records += 1

    def settled(self, entry: LedgerRecord) -> None:
        """Record what a call has really come to; once for each ``opened``."""
        try:
            if self._waiting or not self._writer.append_record(SETTLED, entry):
                self._keep(SETTLED, entry)
        except ValueError:  # as above
            self.lost_records += 1

    def flush(self) -> None:
        """Try to bring waiting records to the journal; a no-op when there are none."""
        if not self._waiting:
            return
        try:
            self._writer.rotate()
        except JournalError:
            return  # its reason is the writer's `problem`
        while self._waiting:
            kind, record_id, payload = self._waiting[0]
            try:
                if not self._writer.append(kind, record_id, payload):
                    return
            except ValueError:
                self.lost_records += 1
            self._waiting.popleft()
            self._waiting_bytes -= len(payload) + _WAITING_BYTES

    def close(self) -> None:
        """Flush, then seal the journal. What still waits is lost, and counted."""
        self.flush()
        self.lost_records += len(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._writer.close()

    def _keep(self, kind: int, entry: LedgerRecord) -> None:
        payload = entry.encode()
        needed_bytes = len(payload) + _WAITING_BYTES
        if self._waiting_bytes + needed_bytes > self._max_buffer_bytes:
            self.lost_records += 1
            return
        self._waiting.append((kind, entry.id, payload))
        self._waiting_bytes += needed_bytes


def open_recorder(config: LedgerConfig, worker: int, life: int) -> Recorder:
    """The recorder of worker number ``worker``, to be called in it, after the fork. ``life``, not 0, is its name in the journal.

    Makes the journal directory; raises ``OSError`` when it cannot.
    """
    directory = config.journal_directory
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    writer = JournalWriter(
        str(directory),
        worker,
        life,
        max_journal_bytes=config.max_journal_mib * _BYTES_PER_MIB,
    )
    return Recorder(writer, config.max_buffer_mib * _BYTES_PER_MIB)
