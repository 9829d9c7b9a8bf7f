# The C face of sse_split: see sse_split.pyi for what each name means.
from fastgw._native.sse_grammar cimport Cursor, Lines


cdef class SseTap:
    cdef Lines _lines
    cdef tuple _needles
    cdef tuple _texts  # quoted names of members that hold text
    cdef bint _hide_usage
    cdef Py_ssize_t _max_event_bytes
    cdef bytearray _held  # the begun event, withheld from the client: an answer that is cut must not end inside one
    cdef bint _oversize  # the begun event passes unseen
    cdef list _captured
    cdef Py_ssize_t _captured_bytes
    cdef readonly bint seen_done
    cdef long long _events
    cdef readonly long long text_bytes

    cpdef bytes feed(self, bytes data)
    cpdef list take_captured(self)
    cdef bint _has_needle(self, Cursor p, Cursor end) noexcept
    cdef void _count_event(self) noexcept
    cdef int _end_event(self, bytes data, Py_ssize_t begin, Py_ssize_t cut, bint has_needle, list edits) except -1
    cdef int _hold(self, bytes data, Py_ssize_t begin, list edits) except -1
    cdef int _look(self, bytes source, Py_ssize_t begin, Py_ssize_t cut, bint has_needle, list edits) except -1
    cdef bint _hide(self, bytes payload, Cursor p, Cursor end, Py_ssize_t begin, list edits) except -1
