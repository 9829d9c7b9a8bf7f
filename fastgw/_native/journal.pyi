from typing import Final, final

from fastgw._native.ledger_record import LedgerRecord

OPENED: Final = 1
"""Kind of a record that was made at admission: the row the call becomes if nothing else is heard of it."""
SETTLED: Final = 2
"""Kind of a record that was made at settlement: the row."""

@final
class JournalWriter:
    """Appends records to segment files of its own in a directory that other writers share.

    Made after the fork, in the process that appends; not to be used in a child of it. While a segment is written to,
    its descriptor holds ``flock``, which the kernel lets go at any death. Nothing is made before the first ``append``
    or ``rotate``. Memory is at most one mapped segment.
    """

    def __new__(
        cls, directory: str, writer: int, token: int, segment_bytes: int = 1 << 20, max_journal_bytes: int = 0
    ) -> JournalWriter:
        """``writer`` is a small number; ``token``, 64 random bits, tells this life of it from earlier ones.

        ``segment_bytes`` is a multiple of 4096 up to 2**24. ``max_journal_bytes`` bounds all files of the directory
        together, 0 for no bound. Raises ``ValueError`` for a number out of range; does not touch the file system.
        """

    def append(self, kind: int, id: int, payload: bytes) -> bool:
        """Append a record; it outlives this process when this returns ``True``.

        No system call, except that a record which does not fit rotates first (about 0.25 ms). ``False`` when there is
        no segment to write to (``problem`` says why); a rotation is then not tried again until ``rotate`` succeeds.
        ``kind`` is 1 to 255, ``id`` an int64. Raises ``ValueError`` for a payload that no segment can hold.
        """

    def append_record(self, kind: int, record: LedgerRecord) -> bool:
        """Append ``record.encode()`` under ``record.id`` without making the bytes object; else as ``append``.

        Raises what ``encode`` raises.
        """

    def rotate(self) -> None:
        """Make the next segment, then seal the current one. The current one stays as it is on failure.

        Raises ``JournalError`` (its cause is the ``OSError``): disk full, the bound of the directory, closed.
        """

    def sync(self, wait: bool) -> None:
        """With ``wait``, return when all that was appended before the call is on disk; else only start writing it out.

        May be called from another thread than ``append`` (it lets the GIL go while it waits), one call at a time. From
        the first waiting call on, up to 16 sealed segments are kept open until a sync has covered them. Raises
        ``JournalError`` when the disk does not take it; what was not written then may be lost at a power cut.
        """

    def close(self) -> None:
        """Seal the current segment, synced if ``sync`` was ever waited for; appends return ``False`` from here on."""

    @property
    def room_bytes(self) -> int:
        """Bytes left in the current segment, each record taking 16 and its payload rounded up to 8."""

    @property
    def segments(self) -> int:
        """How many segments were made; also the sequence number of the current one."""

    @property
    def problem(self) -> str | None:
        """Why the last rotation failed; ``None`` when it did not."""

@final
class JournalReader:
    """Reads one segment file, also while it is written to, from its first record to the last one there is."""

    def __new__(cls, path: str) -> JournalReader:
        """Raises ``JournalError``: without a cause, this is no readable segment; with one, the system's reason."""

    def read(self, max_records: int = 1000) -> list[tuple[int, int, bytes]]:
        """Return (kind, id, payload) of records committed since the last call, in order, at most ``max_records``.

        Stops before the first record that is not committed or not whole. Raises ``JournalError`` with a cause when the
        file cannot be read; the position is then unchanged.
        """

    @property
    def sealed(self) -> bool:
        """The writer will add nothing to this file. Looks at the file; raises ``JournalError`` when it cannot."""

    @property
    def finished(self) -> bool:
        """Sealed, and ``read`` has returned every record."""

    @property
    def torn(self) -> bool:
        """The last ``read`` stopped at bytes that are no record.

        Final if the segment is sealed or its writer was already dead before that read; otherwise look again.
        """

    @property
    def writer_alive(self) -> bool:
        """The writer still holds this segment. Ask *before* the read that is to be the last one."""
