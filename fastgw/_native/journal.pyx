"""The memory-mapped journal: what a worker appends, a killed process does not take back.

Owns the segment file format (docs/adr/0002-journal-format.md). The one invariant: a record is visible if and only if
its commit word is, and that is stored last, with release ordering. It does not know what a payload means (a row of the
ledger packs its own), who drains the files, or what time it is. One thread appends; only ``JournalWriter.sync`` may run in another.

A segment is a 64-byte header and then records at multiples of 8 bytes; all integers are little-endian::

    header   0 magic   8 version u32   12 writer u32   16 token u64   24 sequence u64   32 segment_bytes u64
            40 sealed_end u64 (0 = still written to; else where the records end)   48 checksum u64 of 0..39   56 zero
    record   0 commit u64 = checksum << 32 | kind << 24 | length   8 id i64   16 payload, zero padding to 8
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EDQUOT, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from posix.mman cimport MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap
from posix.unistd cimport fdatasync, pread

from fastgw._native.journal_record cimport (
    CHECKED_HEADER_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES, MAX_SEGMENT_BYTES, MAX_UNSYNCED, MIN_SEGMENT_BYTES,
    READ_BYTES, RECORD_BYTES, SEALED_AT, bytes_of_record, checksum, commit_word, start_writeout, store_release,
)
from fastgw._native.ledger_record cimport LedgerRecord, RecordBuffer

import contextlib
import fcntl
import os
import struct

from fastgw._native.errors import JournalError

OPENED = 1
SETTLED = 2

# The magic ends in bytes that no text editor leaves alone.
_MAGIC = b"FGWJ\r\n\x1a\x00"
_VERSION = 1
_HEADER = struct.Struct("<8sIIQQQQQQ")
_ZEROS = bytes(65536)


@cython.final
cdef class JournalWriter:
    def __cinit__(
        self, str directory not None, uint32_t writer, uint64_t token, int64_t segment_bytes=1 << 20,
        int64_t max_journal_bytes=0,
    ):
        self._fd = -1
        if not MIN_SEGMENT_BYTES <= segment_bytes <= MAX_SEGMENT_BYTES or segment_bytes % MIN_SEGMENT_BYTES:
            raise ValueError(f"segment_bytes: expected a multiple of 4096 up to 2**24, got {segment_bytes}")
        if max_journal_bytes < 0:
            raise ValueError(f"max_journal_bytes: expected >= 0, got {max_journal_bytes}")
        self._directory = directory
        self._writer = writer
        self._token = token
        self._segment_bytes = segment_bytes
        self._max_journal_bytes = max_journal_bytes
        self._used_bytes = segment_bytes
        self._unsynced = []
        self._packed = RecordBuffer.__new__(RecordBuffer)

    def __dealloc__(self):
        # Not sealed: only close() says that nothing follows. A forked child must not end its parent's segment.
        if self._map != NULL:
            munmap(self._map, self._segment_bytes)
        for fd in self._unsynced or ():
            os.close(fd)
        if self._fd >= 0:
            os.close(self._fd)

    def append(self, int kind, int64_t id, bytes payload not None) -> bool:
        return self._put(kind, id, <const uint8_t *>PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))

    cpdef bint append_record(self, int kind, LedgerRecord record) except -1:
        cdef Py_ssize_t length
        if record is None:
            raise TypeError("expected a record")
        length = self._packed.pack(record)
        return self._put(kind, record.id, self._packed.data, length)

    cdef bint _put(self, int kind, int64_t id, const uint8_t *data, Py_ssize_t length) except -1:
        cdef Py_ssize_t record_bytes = bytes_of_record(length)
        cdef uint8_t *at
        if kind < 1 or kind > 255:
            raise ValueError(f"kind: expected 1 to 255, got {kind}")
        if length > MAX_PAYLOAD_BYTES or record_bytes > self._segment_bytes - HEADER_BYTES:
            raise ValueError(f"payload: {length} bytes do not fit a segment of {self._segment_bytes}")
        if self._used_bytes + record_bytes > self._segment_bytes:
            if self._stuck or self._closed:
                return 0
            try:
                self.rotate()
            except JournalError:
                return 0
        at = self._map + self._used_bytes
        memcpy(at + 8, &id, 8)
        memcpy(at + RECORD_BYTES, data, length)
        store_release(at, commit_word(self._token, self._used_bytes, kind, id, data, length))
        self._used_bytes += record_bytes
        return 1

    def rotate(self) -> None:
        if self._closed:
            raise JournalError("the journal writer is closed")
        try:
            if len(self._unsynced) >= MAX_UNSYNCED:
                self._sync_all()
            self._check_room()
            self._make_segment()
        except OSError as error:
            self._stuck = True
            self._problem = f"journal cannot grow: {error.strerror or error}"
            raise JournalError(self._problem) from error
        self._stuck = False
        self._problem = None

    def _check_room(self):
        if self._max_journal_bytes == 0:
            return
        total_bytes = self._segment_bytes
        with os.scandir(self._directory) as found:
            for item in found:
                try:
                    total_bytes += item.stat().st_size
                except FileNotFoundError:
                    continue  # drained meanwhile
        if total_bytes > self._max_journal_bytes:
            raise OSError(EDQUOT, f"segments would take {total_bytes} of at most {self._max_journal_bytes} bytes")

    def _make_segment(self):
        cdef void *mapped
        cdef int fd
        sequence = self._sequence + 1
        path = os.path.join(self._directory, f"{self._writer:04d}-{sequence:08d}-{self._token:016x}.seg")
        draft = f"{path}.{os.getpid()}.tmp"
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Before mapping: a full disk is an error here and never a SIGBUS in append.
            os.posix_fallocate(fd, 0, self._segment_bytes)
            # Pages that exist are five times cheaper to touch than pages that a fault must make (measured: ADR 0002).
            for offset in range(0, self._segment_bytes, len(_ZEROS)):
                os.pwrite(fd, _ZEROS[:self._segment_bytes - offset], offset)
            os.pwrite(fd, self._header(sequence), 0)
            mapped = mmap(NULL, self._segment_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
            if mapped == MAP_FAILED:
                raise OSError(errno, os.strerror(errno))
            try:
                os.rename(draft, path)
            except OSError:
                munmap(mapped, self._segment_bytes)
                raise
        except OSError:
            os.close(fd)
            _unlink_if_there(draft)
            raise
        # Visible before the old one is sealed: a live writer always has a locked file in the directory.
        self._seal()
        self._map = <uint8_t *>mapped
        self._fd = fd
        self._used_bytes = HEADER_BYTES
        self._sequence = sequence
        self._new_names = True

    cdef bytes _header(self, int64_t sequence):
        fields = (_MAGIC, _VERSION, self._writer, self._token, sequence, self._segment_bytes, 0)
        cdef bytes head = _HEADER.pack(*fields, 0, 0)
        return _HEADER.pack(*fields, checksum(<uint8_t *>PyBytes_AS_STRING(head), CHECKED_HEADER_BYTES, 0), 0)

    cdef _seal(self):
        cdef int fd = self._fd
        if self._map == NULL:
            return
        store_release(self._map + SEALED_AT, <uint64_t>self._used_bytes)
        munmap(self._map, self._segment_bytes)
        self._map = NULL
        self._fd = -1
        self._used_bytes = self._segment_bytes
        fcntl.flock(fd, fcntl.LOCK_UN)
        if not self._keep_unsynced:
            os.close(fd)
            return
        self._unsynced.append(fd)

    def sync(self, bint wait) -> None:
        if not wait:
            if self._fd >= 0:
                start_writeout(self._fd)
            return
        try:
            self._sync_all()
        except OSError as error:
            raise JournalError(f"journal cannot be synced: {error.strerror}") from error

    def _sync_all(self):
        cdef int fd
        cdef int failed = 0
        # A duplicate of its own: a rotation in the appending thread must not close it under this one.
        current = [os.dup(self._fd)] if self._fd >= 0 else []
        # From the first sync on, a sealed segment stays open until a sync has covered it.
        self._keep_unsynced = True
        new_names, self._new_names = self._new_names, False
        pending, self._unsynced = self._unsynced, []
        for number in pending + current:
            fd = number
            with nogil:
                while fdatasync(fd) != 0:
                    if errno != EINTR:
                        failed = errno
                        break
            os.close(fd)
        if failed:
            raise OSError(failed, os.strerror(failed))
        if new_names:
            _sync_directory(self._directory)

    def close(self) -> None:
        if self._keep_unsynced and not self._closed:
            self.sync(True)
        self._closed = True
        self._keep_unsynced = False
        self._seal()

    @property
    def room_bytes(self) -> int:
        return self._segment_bytes - self._used_bytes

    @property
    def segments(self) -> int:
        return self._sequence

    @property
    def problem(self) -> str | None:
        return self._problem


def _unlink_if_there(str path):
    with contextlib.suppress(OSError):
        os.unlink(path)


def _sync_directory(str path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@cython.final
cdef class JournalReader:
    cdef int _fd
    cdef uint64_t _token
    cdef int64_t _segment_bytes, _position_bytes, _sealed_end
    cdef bint _torn

    def __cinit__(self, str path not None):
        self._fd = -1
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            head = os.pread(self._fd, HEADER_BYTES, 0)
            size = os.fstat(self._fd).st_size
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}") from error
        self._take_header(path, head, size)
        self._position_bytes = HEADER_BYTES

    def __dealloc__(self):
        if self._fd >= 0:
            os.close(self._fd)

    cdef _take_header(self, str path, bytes head, int64_t size):
        if len(head) != HEADER_BYTES:
            raise JournalError(f"{path}: not a journal segment: {len(head)} bytes of header")
        magic, version, _, token, _, segment_bytes, _, total, _ = _HEADER.unpack(head)
        if magic != _MAGIC:
            raise JournalError(f"{path}: not a journal segment")
        if version != _VERSION:
            raise JournalError(f"{path}: journal format {version}, this build reads {_VERSION}")
        if total != checksum(<const uint8_t *>PyBytes_AS_STRING(head), CHECKED_HEADER_BYTES, 0):
            raise JournalError(f"{path}: damaged segment header")
        if size != segment_bytes:
            raise JournalError(f"{path}: {size} bytes, its header says {segment_bytes}")
        self._token = token
        self._segment_bytes = segment_bytes

    def read(self, Py_ssize_t max_records=1000) -> list:
        # Not mapped: a truncated file or an unreadable sector is then an exception and not a SIGBUS.
        cdef list records = []
        cdef Py_ssize_t room_bytes = READ_BYTES
        cdef Py_ssize_t wanted_bytes = READ_BYTES
        cdef uint8_t *chunk = NULL
        # Taken before the records: once it is set, all of them are there.
        self._refresh_sealed()
        try:
            while wanted_bytes > 0 and len(records) < max_records:
                if chunk == NULL or wanted_bytes > room_bytes:
                    room_bytes = max(wanted_bytes, READ_BYTES)
                    free(chunk)
                    chunk = <uint8_t *>malloc(room_bytes)
                    if chunk == NULL:
                        raise MemoryError
                wanted_bytes = self._read_chunk(records, max_records, chunk, room_bytes)
        finally:
            free(chunk)
        return records

    cdef _refresh_sealed(self):
        cdef uint64_t end
        if self._sealed_end:
            return
        try:
            (end,) = struct.unpack("<Q", os.pread(self._fd, 8, SEALED_AT))
        except (OSError, struct.error) as error:
            raise JournalError("a segment became unreadable") from error
        if HEADER_BYTES <= end <= <uint64_t>self._segment_bytes and end % 8 == 0:
            self._sealed_end = <int64_t>end

    cdef Py_ssize_t _read_chunk(self, list records, Py_ssize_t max_records, uint8_t *chunk, Py_ssize_t room) except -1:
        # Returns the bytes the next chunk must hold at least; 0 when nothing more can be read now.
        cdef Py_ssize_t have, length, record_bytes, at = 0
        cdef int64_t limit = self._sealed_end if self._sealed_end else self._segment_bytes
        cdef int64_t id
        cdef uint64_t commit
        cdef int kind
        cdef uint8_t *payload
        self._torn = False
        have = min(room, limit - self._position_bytes)
        have = pread(self._fd, chunk, have, self._position_bytes)
        if have < 0 and records:
            return 0  # the next call raises it
        if have < 0:
            raise JournalError("a segment became unreadable") from OSError(errno, os.strerror(errno))
        while len(records) < max_records:
            if self._position_bytes == limit:
                return 0
            if have - at < RECORD_BYTES:
                if at:
                    return RECORD_BYTES
                self._torn = limit - self._position_bytes >= RECORD_BYTES
                return 0
            memcpy(&commit, chunk + at, 8)
            if commit == 0:
                self._torn = self._sealed_end != 0
                return 0
            length = commit & MAX_PAYLOAD_BYTES
            kind = (commit >> 24) & 0xFF
            record_bytes = bytes_of_record(length)
            if kind == 0 or self._position_bytes + record_bytes > limit:
                self._torn = True
                return 0
            if have - at < record_bytes:
                # Cut by the end of the chunk; a whole chunk that is still short is the end of a truncated file.
                self._torn = at == 0 and room >= record_bytes
                return 0 if self._torn else record_bytes
            memcpy(&id, chunk + at + 8, 8)
            payload = chunk + at + RECORD_BYTES
            if commit != commit_word(self._token, self._position_bytes, kind, id, payload, length):
                self._torn = True
                return 0
            records.append((kind, id, PyBytes_FromStringAndSize(<char *>payload, length)))
            at += record_bytes
            self._position_bytes += record_bytes
        return 0

    @property
    def sealed(self) -> bool:
        self._refresh_sealed()
        return self._sealed_end != 0

    @property
    def finished(self) -> bool:
        return self._sealed_end != 0 and self._position_bytes == self._sealed_end

    @property
    def torn(self) -> bool:
        return self._torn

    @property
    def writer_alive(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        return False
