"""Owns the cutting of a stream of server-sent events (WHATWG HTML, section 9.2), and the filter of the relay.

Invariant: what comes out does not depend on where the input was cut, and every byte comes out exactly once, in order,
but for the `usage` members that the filter is told to hide. It does not interpret events beyond that.

An event ends with its blank line. Where that line ends in CR, the next byte decides whether an LF still belongs to it,
so such an event is complete one byte later (or at the end of the stream). The documentation of the public names is in
the stub.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp

from fastgw._native.byte_search cimport find_needle
from fastgw._native.json_grammar cimport skip_space
from fastgw._native.json_scan cimport (
    KIND_ABSENT, KIND_ARRAY, KIND_NULL, KIND_OBJECT, MemberSpans, MemberTable, scan_object, splice,
)
from fastgw._native.sse_grammar cimport NO_CR, Cursor, Line, Lines, after_mark, end_line, next_cut, read_line

from fastgw._native.errors import JsonSyntaxError, SseLimitError

cdef enum:
    USAGE = 0  # positions in CHUNK_MEMBERS
    CHOICES = 1
    CAPTURE_OVERHEAD_BYTES = 256  # what a captured event costs besides its payload, generously
    TOKEN_BYTES = 3  # of text: the fewest that a token is estimated by

cdef MemberTable CHUNK_MEMBERS = MemberTable((b"usage", b"choices"))


cdef inline bytes copied(Cursor p, Cursor end):
    return PyBytes_FromStringAndSize(<const char *>p, end - p)


cdef bytes payload_of(Cursor p, Cursor end):
    cdef bytes payload = None
    cdef list more = None
    cdef Line line
    p = after_mark(p, end)
    while p < end:
        line = read_line(p, end)
        p = line.next
        if line.is_data:
            if payload is None:
                payload = copied(line.value, line.end)
            else:
                more = [payload] if more is None else more
                more.append(copied(line.value, line.end))
    return payload if more is None else b"\n".join(more)


cdef bytes name_of(Cursor p, Cursor end):
    cdef bytes name = b""
    cdef Line line
    p = after_mark(p, end)
    while p < end:
        line = read_line(p, end)
        p = line.next
        if line.is_event:
            name = copied(line.value, line.end)
    return name


def event_payload(bytes event not None):
    cdef Cursor p = <Cursor>PyBytes_AS_STRING(event)
    return payload_of(p, p + PyBytes_GET_SIZE(event))


def event_name(bytes event not None):
    cdef Cursor p = <Cursor>PyBytes_AS_STRING(event)
    return name_of(p, p + PyBytes_GET_SIZE(event))


@cython.final
cdef class SseSplitter:
    cdef Lines _lines
    cdef bytearray _pending
    cdef Py_ssize_t _max_event_bytes
    cdef bint _failed

    def __cinit__(self, Py_ssize_t max_event_bytes=1 << 20):
        if max_event_bytes < 1:
            raise ValueError(f"max_event_bytes: expected at least 1, got {max_event_bytes}")
        self._pending = bytearray()
        self._max_event_bytes = max_event_bytes

    def feed(self, bytes data not None):
        cdef Cursor base = <Cursor>PyBytes_AS_STRING(data)
        cdef Cursor end = base + PyBytes_GET_SIZE(data)
        cdef Cursor begin = base
        cdef Cursor cut
        cdef list events = []
        while not self._failed:
            cut = next_cut(&self._lines, begin, end)
            if len(self._pending) + ((end if cut == NULL else cut) - begin) > self._max_event_bytes:
                self._failed = True
            elif cut == NULL:
                break
            else:
                events.append(bytes(self._pending) + data[begin - base:cut - base])
                self._pending.clear()
                begin = cut
        self._pending += data[begin - base:]
        if self._failed and not events:
            raise SseLimitError(f"an event of the stream is larger than {self._max_event_bytes} bytes")
        return events

    @property
    def pending_bytes(self):
        return len(self._pending)

    def take_pending(self):
        pending = bytes(self._pending)
        self._pending.clear()
        return pending


@cython.final
cdef class SseTap:
    def __cinit__(self, needles, bint hide_usage=False, Py_ssize_t max_event_bytes=1 << 18, texts=()):
        self._needles = tuple(needles)
        if not all(isinstance(needle, bytes) and needle for needle in self._needles):
            raise ValueError(f"needles: expected non-empty bytes, got {self._needles!r}")
        self._texts = tuple([b'"%b"' % name for name in texts])
        if max_event_bytes < 1:
            raise ValueError(f"max_event_bytes: expected at least 1, got {max_event_bytes}")
        self._hide_usage = hide_usage
        self._max_event_bytes = max_event_bytes
        self._held = bytearray()
        self._captured = []

    cpdef bytes feed(self, bytes data):
        cdef Cursor base, end, begin, cut
        cdef bint has_needle
        cdef list edits = []
        if data is None:
            raise TypeError("expected bytes")
        base = begin = <Cursor>PyBytes_AS_STRING(data)
        end = base + PyBytes_GET_SIZE(data)
        has_needle = self._has_needle(base, end)
        while True:
            cut = next_cut(&self._lines, begin, end)
            if cut == NULL:
                break
            self._count_event()
            self._end_event(data, begin - base, cut - base, has_needle, edits)
            begin = cut
        if begin < end:
            self._hold(data, begin - base, edits)
        return splice(data, edits) if edits else data

    def finish(self):
        cdef bytes event = bytes(self._held)
        cdef list edits = []
        end_line(&self._lines)
        self._lines.cr = NO_CR
        self._count_event()
        self._held.clear()
        self._look(event, 0, len(event), True, edits)
        return splice(event, edits) if edits else event

    cpdef list take_captured(self):
        captured = self._captured
        if captured:
            self._captured = []
            self._captured_bytes = 0
            return captured
        return []

    @property
    def events(self):
        return self._events

    @property
    def data_bytes(self):
        return self._lines.data_bytes

    cdef bint _has_needle(self, Cursor p, Cursor end) noexcept:
        cdef bytes needle
        for needle in self._needles:
            if is_hit(p, end, needle):
                return True
        return False

    cdef void _count_event(self) noexcept:
        self._events += self._lines.data_lines > 0
        self.seen_done |= self._lines.data_lines == 1 and self._lines.done_bytes == 6
        self._lines.data_lines = self._lines.done_bytes = 0

    cdef int _end_event(
        self, bytes data, Py_ssize_t begin, Py_ssize_t cut, bint has_needle, list edits
    ) except -1:
        """An event ends at `cut`, which had its beginning in `_held` or at `begin`."""
        cdef bytes event
        cdef list own_edits
        if self._oversize:
            self._oversize = False
        elif not self._held:
            if cut - begin <= self._max_event_bytes:
                self._look(data, begin, cut, has_needle, edits)
        else:
            event = bytes(self._held) + data[begin:cut]
            self._held.clear()
            own_edits = []
            if len(event) <= self._max_event_bytes:
                self._look(event, 0, len(event), True, own_edits)
            edits.append((begin, cut, splice(event, own_edits)))
        return 0

    cdef int _hold(self, bytes data, Py_ssize_t begin, list edits) except -1:
        """The piece ends inside an event, of which it has the bytes from `begin` on."""
        if self._oversize or not (self._hide_usage or self._needles):
            return 0
        if len(self._held) + len(data) - begin <= self._max_event_bytes:
            self._held += data[begin:]
            edits.append((begin, len(data), b""))
        else:
            self._oversize = True
            if self._held:
                edits.append((begin, begin, bytes(self._held)))
            self._held.clear()
        return 0

    cdef int _look(self, bytes source, Py_ssize_t begin, Py_ssize_t cut, bint has_needle, list edits) except -1:
        """At one event: capture it, hide its usage."""
        cdef Cursor p = <Cursor>PyBytes_AS_STRING(source) + begin
        cdef Cursor end = p + (cut - begin)
        cdef bint capture = has_needle and self._has_needle(p, end)
        cdef bytes payload
        if self._texts:
            self.text_bytes += bytes_of_texts(p, end, self._texts)
        if not capture and not (self._hide_usage and find_needle(p, end, b'"usage"', 7) != NULL):
            return 0
        payload = payload_of(p, end)
        if payload is None:
            return 0
        if self._hide_usage and self._hide(payload, p, end, begin, edits):
            capture = True
        if capture:
            self._captured.append((name_of(p, end), payload))
            self._captured_bytes += len(payload) + CAPTURE_OVERHEAD_BYTES
            while self._captured_bytes > self._max_event_bytes and len(self._captured) > 1:
                self._captured_bytes -= len(self._captured.pop(0)[1]) + CAPTURE_OVERHEAD_BYTES
        return 0

    cdef bint _hide(self, bytes payload, Cursor p, Cursor end, Py_ssize_t begin, list edits) except -1:
        """Edits the event at p (offset `begin`) so that it has no usage; True when it had some."""
        cdef MemberSpans spans
        cdef Py_ssize_t start, stop
        cdef int kind
        try:
            spans = scan_object(payload, CHUNK_MEMBERS)
        except JsonSyntaxError:
            return False
        kind = spans.kind(USAGE)
        if kind == KIND_ABSENT:
            return False
        if kind != KIND_NULL and spans.kind(CHOICES) == KIND_ARRAY:
            start, stop = spans.span(CHOICES)
            if not payload[start + 1:stop - 1].strip():
                edits.append((begin, begin + (end - p), b""))
                return kind == KIND_OBJECT
        start, stop = spans.member_span(USAGE)
        cut_payload(p, end, begin, start, stop, edits)
        return kind == KIND_OBJECT


cdef Py_ssize_t bytes_of_texts(Cursor p, Cursor end, tuple names) noexcept:
    # The size of the string values behind any of the quoted names, as they are written; at least a token's worth each, but for
    # empty ones. A colon in a text has no bare quote before it, so it is behind no name.
    cdef Py_ssize_t found = 0
    cdef Cursor start = p
    cdef Cursor begin, after
    while True:
        p = <Cursor>memchr(p, c":", end - p)
        if p == NULL:
            return found
        after = skip_space(p + 1, end)
        if after >= end or after[0] != c'"' or not is_named(start, p, names):
            p += 1
            continue
        p = begin = after + 1
        while p < end and p[0] != c'"':
            p += 2 if p[0] == c"\\" else 1
        if p > begin:
            found += max(min(p, end) - begin, TOKEN_BYTES)
        if p >= end:
            return found


cdef bint is_named(Cursor start, Cursor colon, tuple names) noexcept:
    cdef Py_ssize_t size
    cdef bytes name
    while colon > start and skip_space(colon - 1, colon) == colon:
        colon -= 1
    if colon == start or (colon - 1)[0] != c'"':
        return False
    for name in names:
        size = PyBytes_GET_SIZE(name)
        if colon - start >= size and memcmp(colon - size, PyBytes_AS_STRING(name), size) == 0:
            return True
    return False


cdef bint is_hit(Cursor p, Cursor end, bytes needle) noexcept:
    # A member that is null is none: every event of a stream may have one.
    cdef Py_ssize_t size = PyBytes_GET_SIZE(needle)
    cdef Cursor text = <Cursor>PyBytes_AS_STRING(needle)
    cdef Cursor value
    while True:
        p = find_needle(p, end, text, size)
        if p == NULL:
            return False
        p += size
        if (text + size - 1)[0] != c'"':
            return True
        value = skip_space(p, end)
        if value < end and value[0] == c":":
            value = skip_space(value + 1, end)
        if end - value < 4 or memcmp(value, b"null", 4) != 0:
            return True


cdef int cut_payload(Cursor p, Cursor end, Py_ssize_t begin, Py_ssize_t start, Py_ssize_t stop, list edits) except -1:
    """Edits that take the bytes [start, stop) of the payload out of the data lines they are on; the lines stay."""
    cdef Cursor event = p
    cdef Py_ssize_t offset = 0, first, last  # offset: of the current line in the payload
    cdef Line line
    p = after_mark(p, end)
    while p < end:
        line = read_line(p, end)
        p = line.next
        if line.is_data:
            first = max(start, offset)
            last = min(stop, offset + (line.end - line.value))
            if first < last:
                first += begin + (line.value - event) - offset
                last += begin + (line.value - event) - offset
                edits.append((first, last, b""))
            offset += line.end - line.value + 1
    return 0
