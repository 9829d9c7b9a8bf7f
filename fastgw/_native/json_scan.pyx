"""Owns the one strict pass over a JSON request body (RFC 8259) and the cutting and pasting that follows from it.

Invariant: what `scan_object` accepts, every strict parser reads the same way, and the members of the table occur at
most once however their names are spelled. It does not build values, does not change bytes on its own and knows nothing
of any API. The documentation of the public names is in the stub.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy, memset

from fastgw._native.byte_search cimport first_of2, first_special
from fastgw._native.json_grammar cimport (
    BYTE_ORDER_MARK, DEPTH_CAPACITY, DUPLICATE, NO_COMMA, NOT_AN_OBJECT, TRAILING, UNEXPECTED_END, Cursor, Scan, fail,
    skip_name, skip_space, skip_value, start_scan, unescape, whole_number,
)

from fastgw._native.errors import JsonSyntaxError

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    static inline uint64_t fgw_mix(uint64_t lane, const unsigned char *p)
    {
        uint64_t word;
        memcpy(&word, p, 8);
        lane = (lane ^ word) * 0x9E3779B97F4A7C15u;
        return lane ^ (lane >> 29);
    }
    """
    uint64_t mix "fgw_mix"(uint64_t lane, const unsigned char *p) noexcept nogil

ABSENT, STRING, NUMBER, TRUE, FALSE = KIND_ABSENT, KIND_STRING, KIND_NUMBER, KIND_TRUE, KIND_FALSE
OBJECT, ARRAY = KIND_OBJECT, KIND_ARRAY
globals()["NULL"] = KIND_NULL  # as a plain name it is the C null pointer

MAX_DEPTH = DEPTH_CAPACITY
cdef tuple FAULT_MESSAGES = (
    "unexpected end of the JSON text", "the JSON text is not an object", "byte order mark before the JSON text",
    "unexpected bytes after the JSON object", "JSON is nested too deep", "invalid UTF-8 in a string",
    "control character in a string", "invalid escape in a string", "invalid number", "expected a value",
    "expected a member name in double quotes", "expected ':' after a member name",
    "expected ',' or the end of the object or array", "a member is given twice",
)
# Only these are escaped in a literal that we write; DEL and everything from U+0080 go as they are.
cdef dict ESCAPES = {code: b"\\u%04x" % code for code in range(0x20)} | {
    0x22: b'\\"', 0x5C: b"\\\\", 0x08: b"\\b", 0x09: b"\\t", 0x0A: b"\\n", 0x0C: b"\\f", 0x0D: b"\\r",
}


cdef inline int kind_of(unsigned char first) noexcept nogil:
    if first == c'"':
        return KIND_STRING
    if first == c'{':
        return KIND_OBJECT
    if first == c'[':
        return KIND_ARRAY
    if first == c't':
        return KIND_TRUE
    if first == c'f':
        return KIND_FALSE
    return KIND_NULL if first == c'n' else KIND_NUMBER


@cython.final
cdef class MemberTable:
    def __cinit__(self, names):
        cdef Py_ssize_t length
        cdef int index
        self._names = tuple(names)
        if len(self._names) > MAX_NAMES or len(set(self._names)) != len(self._names):
            raise ValueError(f"member names: expected at most {MAX_NAMES} different ones, got {self._names!r}")
        self._count = <int>len(self._names)
        for index in range(self._count):
            name = self._names[index]
            if not isinstance(name, bytes):
                raise TypeError(f"a member name is bytes, got {name!r}")
            length = PyBytes_GET_SIZE(name)
            if not 1 <= length <= MAX_NAME_BYTES:
                raise ValueError(f"a member name has 1 to {MAX_NAME_BYTES} bytes, got {length}")
            self._bytes[index] = <Cursor>PyBytes_AS_STRING(name)
            self._by_length[length] |= <uint64_t>1 << index
        self._needles = tuple([b'"%b"' % name for name in self._names])

    cdef int find(self, Cursor raw, Py_ssize_t raw_bytes, bint escaped) noexcept nogil:
        cdef unsigned char decoded[MAX_RAW_NAME_BYTES]
        cdef uint64_t left
        cdef int index = 0
        if escaped:
            if raw_bytes > MAX_RAW_NAME_BYTES:
                return -1
            raw_bytes = unescape(raw, raw + raw_bytes, decoded)
            raw = decoded
        if raw_bytes < 0 or raw_bytes > MAX_NAME_BYTES:
            return -1
        left = self._by_length[raw_bytes]
        while left:
            if left & 1 and memcmp(self._bytes[index], raw, raw_bytes) == 0:
                return index
            left >>= 1
            index += 1
        return -1


@cython.final
@cython.freelist(16)
cdef class MemberSpans:
    def __dealloc__(self):
        PyMem_Free(self._slots)

    cdef Slot *slot(self, int index) except NULL:
        if not 0 <= index < self._count:
            raise IndexError(f"member {index} of a table of {self._count}")
        return &self._slots[index]

    cpdef int kind(self, int index) except -1:
        return self.slot(index).kind

    cpdef tuple span(self, int index):
        cdef Slot *slot = self.slot(index)
        return slot.start, slot.end

    cpdef tuple member_span(self, int index):
        cdef Slot *slot = self.slot(index)
        return slot.drop_start, slot.drop_end

    def raw(self, int index):
        cdef Slot *slot = self.slot(index)
        if slot.kind == KIND_ABSENT:
            return None
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(self._body) + slot.start, slot.end - slot.start)

    cpdef object text(self, int index):
        cdef Slot *slot = self.slot(index)
        cdef Cursor inside
        cdef Py_ssize_t length = slot.end - slot.start - 2
        cdef unsigned char *decoded
        if slot.kind != KIND_STRING:
            return None
        inside = <Cursor>PyBytes_AS_STRING(self._body) + slot.start + 1
        if first_of2(inside, inside + length, c'\\', c'\\') == inside + length:
            return PyUnicode_DecodeUTF8(<const char *>inside, length, NULL)
        decoded = <unsigned char *>PyMem_Malloc(length)
        if decoded == NULL:
            raise MemoryError
        try:
            length = unescape(inside, inside + length, decoded)
            if length < 0:
                raise JsonSyntaxError("half of a surrogate pair in a string", slot.start)
            return PyUnicode_DecodeUTF8(<const char *>decoded, length, NULL)
        finally:
            PyMem_Free(decoded)

    cpdef object integer(self, int index):
        cdef Slot *slot = self.slot(index)
        cdef bint is_whole = False
        cdef Cursor base
        if slot.kind != KIND_NUMBER:
            return None
        base = <Cursor>PyBytes_AS_STRING(self._body)
        value = whole_number(base + slot.start, base + slot.end, &is_whole)
        return value if is_whole else None


cdef Cursor scan_members(Scan *scan, Cursor base, Cursor p, MemberTable table, MemberSpans spans) noexcept nogil:
    """The members and the closing bracket of the top-level object; p is at its first name."""
    cdef Cursor name, value
    cdef Cursor comma = NULL
    cdef Slot *slot = NULL
    cdef int index
    while True:
        name = p
        p = skip_name(scan, p)
        if p == NULL:
            return NULL
        if slot != NULL and slot.drop_start == slot.drop_end:
            slot.drop_end = name - base  # the first member goes with the comma and the white space behind it
        value = p
        index = table.find(name + 1, scan.name_end - name - 1, scan.escaped)
        slot = NULL if index < 0 else &spans._slots[index]
        if slot != NULL and slot.kind != KIND_ABSENT:
            return fail(scan, DUPLICATE, name)
        p = skip_value(scan, p)
        if p == NULL:
            return NULL
        if slot != NULL:
            spans.present |= <uint64_t>1 << index
            slot.kind = kind_of(value[0])
            slot.start = value - base
            slot.end = p - base
            slot.drop_start = (name if comma == NULL else comma) - base
            slot.drop_end = slot.drop_start if comma == NULL else slot.end
        comma = skip_space(p, scan.end)
        if comma < scan.end and comma[0] == c'}':
            if slot != NULL:
                slot.drop_end = slot.end
            return comma + 1
        if comma >= scan.end or comma[0] != c',':
            return fail(scan, NO_COMMA, comma)
        p = skip_space(comma + 1, scan.end)


cdef Cursor scan_text(Scan *scan, Cursor base, Cursor p, MemberTable table, MemberSpans spans) noexcept nogil:
    p = skip_space(p, scan.end)
    if p >= scan.end:
        return fail(scan, UNEXPECTED_END, p)
    if p[0] != c'{':
        return fail(scan, BYTE_ORDER_MARK if p[0] == 0xEF else NOT_AN_OBJECT, p)
    p += 1
    spans.insert_at = p - base
    p = skip_space(p, scan.end)
    spans.is_empty = p < scan.end and p[0] == c'}'
    p = p + 1 if spans.is_empty else scan_members(scan, base, p, table, spans)
    if p == NULL:
        return NULL
    p = skip_space(p, scan.end)
    return p if p == scan.end else fail(scan, TRAILING, p)


cdef object syntax_error(Scan *scan, Cursor base, MemberTable table):
    cdef Py_ssize_t offset = scan.at - base
    if scan.fault != DUPLICATE:
        return JsonSyntaxError(FAULT_MESSAGES[<int>scan.fault], offset)
    name = table._names[table.find(scan.at + 1, scan.name_end - scan.at - 1, scan.escaped)]
    return JsonSyntaxError(f"member {name.decode('utf-8', 'replace')!r} is given twice", offset)


cpdef MemberSpans scan_object(
    bytes body, MemberTable table, Py_ssize_t start=0, Py_ssize_t end=-1, int max_depth=128
):
    cdef MemberSpans spans
    cdef Scan scan
    cdef Cursor base
    if body is None or table is None:
        raise TypeError("scan_object takes bytes and a MemberTable, not None")
    base = <Cursor>PyBytes_AS_STRING(body)
    end = PyBytes_GET_SIZE(body) if end == -1 else end
    if not 0 <= start <= end <= PyBytes_GET_SIZE(body):
        raise ValueError(f"range {start}:{end} of a body of {len(body)} bytes")
    if not 1 <= max_depth <= DEPTH_CAPACITY:
        raise ValueError(f"max_depth: expected 1 to {DEPTH_CAPACITY}, got {max_depth}")
    spans = spans_of(body, table)
    start_scan(&scan, base + end, max_depth)
    if scan_text(&scan, base, base + start, table, spans) == NULL:
        raise syntax_error(&scan, base, table)
    spans.text_bytes = scan.text_bytes
    return spans


cdef MemberSpans spans_of(bytes body, MemberTable table):
    cdef MemberSpans spans = MemberSpans.__new__(MemberSpans)
    spans._body = body
    spans._slots = <Slot *>PyMem_Calloc(table._count + 1, sizeof(Slot))
    if spans._slots == NULL:
        raise MemoryError
    spans._count = table._count
    return spans


cpdef bytes splice(bytes body, edits):
    cdef Py_ssize_t size = len(body), total = size, done = 0, start, end
    cdef bytes replacement, result
    cdef tuple edit
    cdef const char *source = PyBytes_AS_STRING(body)
    cdef char *out
    cdef tuple ordered = tuple(edits)
    for edit in ordered:
        start, end, replacement = edit
        if not done <= start <= end <= size:
            raise ValueError(f"edit {start}:{end}: expected sorted ranges without overlap in a body of {size} bytes")
        total += len(replacement) - (end - start)
        done = end
    result = PyBytes_FromStringAndSize(NULL, total)
    out = PyBytes_AS_STRING(result)
    done = 0
    for edit in ordered:
        start, end, replacement = edit
        memcpy(out, source + done, start - done)
        out += start - done
        memcpy(out, PyBytes_AS_STRING(replacement), len(replacement))
        out += len(replacement)
        done = end
    memcpy(out, source + done, size - done)
    return result


cpdef unsigned long long fingerprint64(bytes data) except? 0:
    cdef Cursor p
    cdef Py_ssize_t left
    cdef uint64_t length
    # Four lanes keep the multiplier busy; the seeds are fractional digits of e, phi, pi and the square root of 2.
    cdef uint64_t lanes[4]
    cdef unsigned char last[32]
    cdef int i
    if data is None:
        raise TypeError("expected bytes")
    p = <Cursor>PyBytes_AS_STRING(data)
    left = PyBytes_GET_SIZE(data)
    length = <uint64_t>left
    lanes[0], lanes[1] = 0xB7E151628AED2A6B, 0x9E3779B97F4A7C15
    lanes[2], lanes[3] = 0x243F6A8885A308D3, 0x6A09E667F3BCC909
    while left >= 32:
        for i in range(4):
            lanes[i] = mix(lanes[i], p + 8 * i)
        p += 32
        left -= 32
    memset(last, 0, 32)
    memcpy(last, p, left)
    for i in range(4):
        lanes[i] = mix(lanes[i], last + 8 * i)
    for i in range(1, 4):
        lanes[0] = mix(lanes[0], <Cursor>&lanes[i])
    # The length tells apart what was padded; one round more, so that it too reaches every bit.
    lanes[0] = mix(mix(lanes[0], <Cursor>&length), <Cursor>&lanes[1])
    return lanes[0] >> 1


def quote(str text not None):
    cdef bytes raw = text.encode()
    cdef Cursor p = <Cursor>PyBytes_AS_STRING(raw)
    cdef Cursor end = p + PyBytes_GET_SIZE(raw)
    cdef Cursor stop
    cdef list pieces = [b'"']
    while True:
        stop = p
        while True:
            stop = first_special(stop, end)
            if stop == end or stop[0] < 0x80:
                break
            stop += 1
        pieces.append(PyBytes_FromStringAndSize(<const char *>p, stop - p))
        if stop == end:
            pieces.append(b'"')
            return b"".join(pieces)
        pieces.append(ESCAPES[stop[0]])
        p = stop + 1
