from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from fastgw._native.ledger_record cimport LedgerRecord, RecordBuffer

cdef class JournalWriter:
    cdef uint8_t *_map
    cdef int64_t _used_bytes, _segment_bytes, _max_journal_bytes
    cdef uint64_t _token
    cdef uint32_t _writer
    cdef int64_t _sequence
    cdef int _fd
    cdef bint _stuck, _closed, _keep_unsynced, _new_names
    cdef list _unsynced
    cdef RecordBuffer _packed
    cdef str _directory
    cdef str _problem
    cpdef bint append_record(self, int kind, LedgerRecord record) except -1
    cdef bint _put(self, int kind, int64_t id, const uint8_t *data, Py_ssize_t length) except -1
    cdef bytes _header(self, int64_t sequence)
    cdef _seal(self)
