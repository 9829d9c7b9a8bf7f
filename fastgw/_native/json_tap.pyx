"""Owns the reading of a few members from a JSON answer that passes by in pieces of any size.

Invariant: the result does not depend on where the pieces were cut, and nothing but the captured values is kept. It is lenient:
it follows strings and brackets and does not judge numbers, escapes or UTF-8, because the answer is forwarded whatever we think
of it. What it cannot follow at all makes it `broken`; it never raises on content. The table of states:

    START -> '{' -> FIRST_NAME -> NAME <-> NAME_ESCAPE -> COLON -> VALUE -> TEXT <-> TEXT_ESCAPE | SCALAR | deeper -> AFTER
    AFTER -> ',' -> NEXT_NAME (object) or VALUE (array) | closing bracket -> AFTER, or DONE at the outermost

The documentation of the public names is in the stub.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcpy

from fastgw._native.byte_search cimport first_of2
from fastgw._native.json_scan cimport MAX_NAMES, MAX_RAW_NAME_BYTES, MemberTable

ctypedef const unsigned char *Cursor

cdef enum:
    MAX_DEPTH = 512

cdef enum State:
    START, FIRST_NAME, NEXT_NAME, NAME, NAME_ESCAPE, COLON, VALUE, FIRST_VALUE, TEXT, TEXT_ESCAPE, SCALAR, AFTER, DONE, BROKEN


@cython.final
cdef class _Level:
    """The names that matter in one object: which value each one fills, and the names inside it."""

    cdef MemberTable table
    cdef int value_index[MAX_NAMES]  # -1: only on the way to deeper names
    cdef list inside  # one _Level or None a name

    def __cinit__(self, paths):
        names = list(dict.fromkeys(path.partition(b".")[0] for path in paths))
        self.table = MemberTable(names)
        self.inside = []
        for position, name in enumerate(names):
            self.value_index[position] = paths.get(name, -1)
            deeper = {path[len(name) + 1:]: index for path, index in paths.items() if path.startswith(name + b".")}
            self.inside.append(_Level(deeper) if deeper else None)


@cython.final
cdef class JsonTap:
    cdef _Level _levels[2]
