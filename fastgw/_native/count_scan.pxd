from libc.stdint cimport int64_t
from fastgw._native.json_grammar cimport Cursor, Scan
from fastgw._native.ledger_record cimport LedgerRecord

cdef enum:
    MAX_COUNTS = 32
    MAX_GROUPS = 8

cdef struct Name:
    const unsigned char* text
    Py_ssize_t size
    int group                  # 0: a member of the object itself; N: of its member number N in the table of groups

cdef class CountTable:
    cdef tuple _paths
    cdef list _parts           # keeps the bytes that the names point into
    cdef Name _counts[MAX_COUNTS]
    cdef Name _groups[MAX_GROUPS]
    cdef int _count
    cdef int _group_count
    cdef bint _scan(self, Cursor p, Py_ssize_t size, int64_t* found) noexcept nogil
    cdef Cursor _members(self, Scan* scan, Cursor p, int group, int64_t* found) noexcept nogil
    cpdef bint fill_row(self, bytes body, Py_ssize_t start, Py_ssize_t end, LedgerRecord row) except -1
