"""The framing of server-sent events (WHATWG HTML, section 9.2) on raw bytes, as inline functions over a cursor.

`next_cut` is resumable: all that it knows of the bytes before is in `Lines`. The state of a line, in `Lines.field`: 0
at its start, 1-3 inside "data", FIELD_NAME behind it, COLON behind "data:", VALUE, or OTHER (a line that is no data
line).
"""

from libc.string cimport memcmp

from fastgw._native.byte_search cimport first_of2

ctypedef const unsigned char *Cursor

cdef enum:
    LF = 0x0A
    CR = 0x0D
    FIELD_NAME = 4
    COLON = 5
    VALUE = 6
    OTHER = 7

cdef enum CarriageReturn:
    NO_CR, LINE_CR, BLANK_CR  # the last byte was a CR that ended a line, or the blank line of an event

cdef struct Lines:
    int mark_bytes  # of a leading byte order mark, seen so far; 3: not looked for any more
    CarriageReturn cr
    int field
    int data_lines  # of the current event
    int done_bytes  # of "[DONE]", seen so far in its data lines; -1: it is something else
    long long data_bytes  # of the stream


cdef inline Cursor read_field(Lines *lines, Cursor p, Cursor end) noexcept nogil:
    """Reads on in a line of unknown kind; stops at the value, in a line of another kind, or at the line's end."""
    if lines.field == 0 and end - p >= 6 and memcmp(p, b"data: ", 6) == 0:
        lines.field = VALUE
        return p + 6
    while p < end and p[0] != CR and p[0] != LF:
        if lines.field == COLON:
            lines.field = VALUE
            return p + (p[0] == 0x20)
        if p[0] != b"data:"[lines.field]:
            lines.field = OTHER
            return p
        lines.field += 1
        p += 1
    return p


cdef inline void read_value(Lines *lines, Cursor p, Py_ssize_t count) noexcept nogil:
    lines.data_bytes += count
    if lines.done_bytes >= 0 and count > 0:
        if lines.done_bytes + count <= 6 and memcmp(p, <const char *>b"[DONE]" + lines.done_bytes, count) == 0:
            lines.done_bytes += <int>count
        else:
            lines.done_bytes = -1


cdef inline bint end_line(Lines *lines) noexcept nogil:
    """True for a blank line."""
    cdef bint blank = lines.field == 0
    if FIELD_NAME <= lines.field <= VALUE and lines.data_lines < 2:
        lines.data_lines += 1
    lines.field = 0
    return blank


cdef inline Cursor next_cut(Lines *lines, Cursor p, Cursor end) noexcept nogil:
    """Reads on from p to the end of the current event; NULL when [p, end) does not hold it."""
    cdef CarriageReturn cr
    cdef Cursor stop
    cdef bint blank
    while p < end:
        if lines.cr != NO_CR:
            cr = lines.cr
            lines.cr = NO_CR
            p += p[0] == LF
            if cr == BLANK_CR:
                return p
            continue
        if lines.mark_bytes < 3:
            if p[0] == b"\xEF\xBB\xBF"[lines.mark_bytes]:
                lines.mark_bytes += 1
                p += 1
                continue
            lines.field = OTHER if lines.mark_bytes else 0
            lines.mark_bytes = 3
        if lines.field < VALUE:
            p = read_field(lines, p, end)
        stop = first_of2(p, end, LF, CR)
        if lines.field == VALUE:
            read_value(lines, p, stop - p)
        if stop == end:
            return NULL
        blank = end_line(lines)
        p = stop + 1
        if stop[0] == CR:
            lines.cr = BLANK_CR if blank else LINE_CR
        elif blank:
            return p
    return NULL


cdef struct Line:
    bint is_data
    bint is_event
    Cursor value
    Cursor end
    Cursor next


cdef inline Line read_line(Cursor p, Cursor end) noexcept nogil:
    """The line at p of a complete event."""
    cdef Line line
    cdef Cursor colon
    line.end = first_of2(p, end, LF, CR)
    colon = first_of2(p, line.end, c":", c":")
    line.is_data = colon - p == 4 and memcmp(p, b"data", 4) == 0
    line.is_event = colon - p == 5 and memcmp(p, b"event", 5) == 0
    line.value = colon + (colon < line.end)
    line.value += line.value < line.end and line.value[0] == 0x20
    line.next = line.end + (line.end < end)
    line.next += line.next < end and line.end[0] == CR and line.next[0] == LF
    return line


cdef inline Cursor after_mark(Cursor p, Cursor end) noexcept nogil:
    return p + 3 if end - p >= 3 and memcmp(p, b"\xEF\xBB\xBF", 3) == 0 else p
