"""C-level face of json_scan for the other native modules: member tables and the scan itself."""

from libc.stdint cimport uint64_t
from fastgw._native.json_grammar cimport Cursor, Scan

cdef enum Kind:
    KIND_ABSENT = 0
    KIND_STRING = 1
    KIND_NUMBER = 2
    KIND_TRUE = 3
    KIND_FALSE = 4
    KIND_NULL = 5
    KIND_OBJECT = 6
    KIND_ARRAY = 7

cdef enum:
    MAX_NAMES = 64
    MAX_NAME_BYTES = 128
    # The longest spelling of one decoded byte is \u00xx.
    MAX_RAW_NAME_BYTES = 6 * MAX_NAME_BYTES

cdef struct Slot:
    int kind
    Py_ssize_t start
    Py_ssize_t end
    Py_ssize_t drop_start
    Py_ssize_t drop_end

cdef class MemberTable:
    cdef tuple _names
    cdef tuple _needles     # the names in quotes
    cdef int _count
    cdef const unsigned char *_bytes[MAX_NAMES]
    cdef object _paths  # what json_tap made of the names, at its first use of the table
    cdef uint64_t _by_length[MAX_NAME_BYTES + 1]

    # Index of the name that `raw` (the bytes between the quotes) spells, or -1.
    cdef int find(self, const unsigned char *raw, Py_ssize_t raw_bytes, bint escaped) noexcept nogil

cdef class MemberSpans:
    cdef bytes _body
    cdef int _count
    cdef Slot *_slots
    cdef readonly uint64_t present
    cdef readonly Py_ssize_t insert_at
    cdef readonly bint is_empty
    cdef readonly Py_ssize_t text_bytes

    cdef Slot *slot(self, int index) except NULL
    cpdef object text(self, int index)
    cpdef object integer(self, int index)
    cpdef int kind(self, int index) except -1
    cpdef tuple span(self, int index)
    cpdef tuple member_span(self, int index)

cpdef MemberSpans scan_object(
    bytes body, MemberTable table, Py_ssize_t start=*, Py_ssize_t end=*, int max_depth=*)

cdef MemberSpans spans_of(bytes body, MemberTable table)
# The members and the closing bracket of the top-level object from a first name on.
cdef Cursor scan_members(Scan *scan, Cursor base, Cursor p, MemberTable table, MemberSpans spans) noexcept nogil

cpdef bytes splice(bytes body, edits)
cpdef unsigned long long fingerprint64(bytes data) except? 0
