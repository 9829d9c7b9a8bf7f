# The last members of a JSON object, read from its end: where answers have their usage, behind a text of any length.
#
# Invariant: of a well-formed object whose names have no escapes, what is found is what `json_scan` finds, or nothing.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from fastgw._native.byte_search cimport find_needle
from fastgw._native.json_grammar cimport Cursor, Scan, skip_space, start_scan
from fastgw._native.json_scan cimport MemberSpans, MemberTable, scan_members, spans_of

cdef enum:
    TAIL_BYTES = 1024          # where it is looked for first
    MAX_DEPTH = 128


cdef Cursor last_of(Cursor base, Cursor end, bytes needle) noexcept:
    # The last occurrence, or NULL. It is looked for near the end first.
    cdef Cursor text = <Cursor>PyBytes_AS_STRING(needle)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(needle)
    cdef Cursor start = max(base, end - TAIL_BYTES)
    cdef Cursor found = NULL
    cdef Cursor at
    while True:
        at = find_needle(start, end, text, size)
        while at != NULL:
            found = at
            at = find_needle(at + 1, end, text, size)
        if found != NULL or start == base:
            return found
        start = base


cpdef MemberSpans scan_tail(bytes body, MemberTable table):
    # A quote that opens the name can only be a name's or a value's: inside a string it would be escaped. If the members from
    # there on end with one bracket, and the body with it, then they are the outermost object's.
    cdef Cursor base, end, start, first, before
    cdef bytes needle
    cdef int index
    cdef Scan scan
    cdef MemberSpans spans
    if body is None or table is None:
        raise TypeError("scan_tail takes bytes and a MemberTable, not None")
    base = <Cursor>PyBytes_AS_STRING(body)
    end = base + PyBytes_GET_SIZE(body)
    start = skip_space(base, end)
    if start == end or start[0] != c'{':
        return None
    first = last_of(start, end, <bytes>table._needles[0])
    if first == NULL:
        return None
    before = first - 1
    while before > start and (before[0] == 0x20 or before[0] == 0x0A or before[0] == 0x0D or before[0] == 0x09):
        before -= 1
    if before[0] != c',' and before != start:
        return None
    for index in range(1, table._count):
        needle = <bytes>table._needles[index]
        if find_needle(start, first, <Cursor>PyBytes_AS_STRING(needle), PyBytes_GET_SIZE(needle)) != NULL:
            return None
    spans = spans_of(body, table)
    start_scan(&scan, end, MAX_DEPTH)
    first = scan_members(&scan, base, first, table, spans)
    return spans if first != NULL and skip_space(first, end) == end else None
