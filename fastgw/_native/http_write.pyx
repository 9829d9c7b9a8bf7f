"""The writer of HTTP/1.1 messages: heads built from our own lines and forwarded headers, and chunk framing.

Owns: which forwarded headers may cross to the other side, and the framing line of what we send. Invariant: a written
head has at most one framing header, ours; no hop-by-hop header is ever forwarded, neither a standard one nor one that
the message's own Connection field names. Lines given by the caller (``fixed_lines``, ``extra_lines``) are trusted: they
come from ``header_line``. Does not write to sockets; what else is not forwarded is the caller's ``HeaderFilter``.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.string cimport memcpy

from fastgw._native.ascii cimport TARGET_BYTE, TOKEN_BYTE, equals_lower, lower, same_token, skip, skip_value
from fastgw._native.http_head cimport HeaderSpan, MessageHead, ResponseHead

LAST_CHUNK = b"0\r\n\r\n"

cdef enum:
    NUMBER_BYTES = 20      # of 2**63 - 1 in decimal, with room
    LINES_BYTES = 128      # status line without its reason, framing line, connection line, blank line

cdef extern from "Python.h":
    PyObject* new_bytes "PyBytes_FromStringAndSize" (const char* text, Py_ssize_t size) except NULL
    int resize_bytes "_PyBytes_Resize" (PyObject** text, Py_ssize_t size) except -1


cdef struct Sheet:         # a bytes object while it is being written, sized by an upper bound
    PyObject* text
    char* begin
    char* at


cdef int open_sheet(Sheet* sheet, Py_ssize_t bound_bytes) except -1:
    sheet.text = new_bytes(NULL, bound_bytes)
    sheet.begin = PyBytes_AS_STRING(<bytes>sheet.text)
    sheet.at = sheet.begin
    return 0


cdef bytes close_sheet(Sheet* sheet):
    # Gives back what the bound had too much; the sheet is used up.
    cdef bytes text
    resize_bytes(&sheet.text, sheet.at - sheet.begin)
    text = <bytes>sheet.text
    Py_DECREF(text)
    return text


cdef inline void put(Sheet* sheet, const char* text, Py_ssize_t size) noexcept:
    memcpy(sheet.at, text, size)
    sheet.at += size


cdef inline void put_bytes(Sheet* sheet, bytes text) noexcept:
    put(sheet, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef void put_decimal(Sheet* sheet, long long number) noexcept:
    # number >= 0
    cdef char[NUMBER_BYTES] digits
    cdef int at = NUMBER_BYTES
    while at == NUMBER_BYTES or number:
        at -= 1
        digits[at] = <char>(c"0" + number % 10)
        number //= 10
    put(sheet, &digits[at], NUMBER_BYTES - at)


# Hop-by-hop and framing headers (RFC 9110 7.6.1): what the next hop gets of these is written here, never forwarded. Every filter
# drops them.
cdef tuple HOP_BY_HOP = (
    b"connection", b"content-length", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection",
    b"te", b"trailer", b"transfer-encoding", b"upgrade",
)


@cython.final
cdef class HeaderFilter:
    def __cinit__(self, names, prefixes):
        cdef list texts = [*HOP_BY_HOP, *names]
        cdef Py_ssize_t name_count = len(texts), i
        cdef int at = 0
        cdef unsigned int slots = 4
        texts += prefixes
        for text in texts:
            check_token(text)
            if text != text.lower():
                raise ValueError(f"{text!r}: expected a lower-case name")
        self._text = b"".join(texts)
        while slots < 2 * name_count:
            slots *= 2
        self._mask = slots - 1
        self._slots = <FilterEntry*>PyMem_Calloc(slots, sizeof(FilterEntry))
        self._prefixes = <FilterEntry*>PyMem_Calloc(len(texts) + 1, sizeof(FilterEntry))
        if self._slots == NULL or self._prefixes == NULL:
            raise MemoryError()
        for i, text in enumerate(texts):
            if i < name_count:
                self._add_name(at, len(text))
            else:
                self._prefixes[self._prefix_count].at = at
                self._prefixes[self._prefix_count].size = len(text)
                self._prefix_count += 1
                self._prefix_letters |= 1U << (text[0] & 31)
            at += len(text)

    def __dealloc__(self):
        PyMem_Free(self._slots)
        PyMem_Free(self._prefixes)

    cdef int _add_name(self, int at, int size) except -1:
        cdef unsigned int slot = slot_of(<const unsigned char*>PyBytes_AS_STRING(self._text) + at, size) & self._mask
        while self._slots[slot].size:
            slot = (slot + 1) & self._mask
        self._slots[slot].at = at
        self._slots[slot].size = size
        return 0

    cdef bint drops(self, const unsigned char* name, Py_ssize_t name_len) noexcept:
        cdef const char* text = PyBytes_AS_STRING(self._text)
        cdef unsigned int slot
        cdef FilterEntry entry
        cdef int i
        if name_len == 0:
            return False
        slot = slot_of(name, name_len) & self._mask
        while self._slots[slot].size:
            entry = self._slots[slot]
            if entry.size == name_len and same_token(name, text + entry.at, name_len):
                return True
            slot = (slot + 1) & self._mask
        if not self._prefix_letters >> (name[0] & 31) & 1:
            return False
        for i in range(self._prefix_count):
            entry = self._prefixes[i]
            if entry.size <= name_len and same_token(name, text + entry.at, entry.size):
                return True
        return False

    def __contains__(self, bytes name not None):
        return self.drops(<const unsigned char*>PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))


cdef inline unsigned int slot_of(const unsigned char* name, Py_ssize_t size) noexcept nogil:
    # Three letters and the length tell header names apart well; the names come from configuration, not from the wire.
    return <unsigned int>(size * 131 + lower(name[0]) * 31 + lower(name[size >> 1]) * 7 + lower(name[size - 1]))


cdef int check_token(bytes text) except -1:
    cdef const unsigned char* at
    if text is None:
        raise TypeError("expected bytes")
    at = <const unsigned char*>PyBytes_AS_STRING(text)
    if not text or skip(at, at + len(text), TOKEN_BYTE) != at + len(text):
        raise ValueError(f"{text!r}: expected a token")
    return 0


cdef HeaderFilter HOP_BY_HOP_ONLY = HeaderFilter((), ())


cdef Py_ssize_t forward_bound(MessageHead head) noexcept:
    # A forwarded line is at most one byte longer than the received one: the blank behind the colon.
    return 0 if head is None else head.size_bytes + head._count


cdef inline bint is_for_one_hop(const unsigned char* name, int name_len) noexcept nogil:
    # Of a request's headers: ours are written instead.
    return (name_len == 4 and equals_lower(name, "host", 4)) or (name_len == 6 and equals_lower(name, "expect", 6))


cdef void forward(Sheet* sheet, MessageHead head, bint is_request, HeaderFilter drop) noexcept:
    cdef const unsigned char* base
    cdef const unsigned char* name
    cdef const unsigned char* value
    cdef const unsigned char* run          # lines to be copied at once
    cdef const unsigned char* run_end
    cdef HeaderSpan* span
    cdef int i
    if head is None or head._count == 0:
        return
    if drop is None:
        drop = HOP_BY_HOP_ONLY
    base = run = run_end = head._bytes()
    for i in range(head._count):
        span = head._spans + i
        name = base + span.name_at
        if drop.drops(name, span.name_len) or (is_request and is_for_one_hop(name, span.name_len)):
            continue
        if head._nominates and head.nominates(name, span.name_len):
            continue
        value = base + span.value_at
        if value == name + span.name_len + 2 and name[span.name_len + 1] == c" " and value[span.value_len] == c"\r":
            # It stands there as it would be written: it goes with its neighbours.
            if name != run_end:
                put(sheet, <const char*>run, run_end - run)
                run = name
            run_end = value + span.value_len + 2
            continue
        put(sheet, <const char*>run, run_end - run)
        run = run_end = base
        put(sheet, <const char*>name, span.name_len)
        put(sheet, ": ", 2)
        put(sheet, <const char*>value, span.value_len)
        put(sheet, "\r\n", 2)
    put(sheet, <const char*>run, run_end - run)


cpdef bytes header_line(bytes name, bytes value):
    cdef const unsigned char* at
    check_token(name)
    if value is None:
        raise TypeError("value must be bytes")
    at = <const unsigned char*>PyBytes_AS_STRING(value)
    if skip_value(at, at + len(value)) != at + len(value):
        raise ValueError(f"header {name.decode()}: control byte in the value")
    return b"%b: %b\r\n" % (name, value)


cpdef bytes write_request(
    bytes method, bytes target, bytes fixed_lines, MessageHead forwarded, HeaderFilter drop, bytes body
):
    cdef const unsigned char* at
    cdef Py_ssize_t body_len
    cdef bint counted
    cdef Sheet sheet
    if target is None or fixed_lines is None or body is None:
        raise TypeError("target, fixed_lines and body must be bytes")
    check_token(method)
    at = <const unsigned char*>PyBytes_AS_STRING(target)
    if not target or skip(at, at + len(target), TARGET_BYTE) != at + len(target):
        raise ValueError("the target must be visible ASCII without a fragment")
    body_len = len(body)
    # A method that defines no meaning for content goes without a length when it has none (RFC 9110 8.6).
    counted = body_len > 0 or method in (b"POST", b"PUT", b"PATCH")
    open_sheet(
        &sheet, len(method) + len(target) + len(fixed_lines) + forward_bound(forwarded) + LINES_BYTES
        + (body_len if body_len <= INLINE_BODY_BYTES else 0)
    )
    put_bytes(&sheet, method)
    put(&sheet, " ", 1)
    put_bytes(&sheet, target)
    put(&sheet, " HTTP/1.1\r\n", 11)
    put_bytes(&sheet, fixed_lines)
    forward(&sheet, forwarded, True, drop)
    if counted:
        put(&sheet, "content-length: ", 16)
        put_decimal(&sheet, body_len)
        put(&sheet, "\r\n", 2)
    put(&sheet, "\r\n", 2)
    if body_len <= INLINE_BODY_BYTES:
        put_bytes(&sheet, body)
    return close_sheet(&sheet)


cdef dict REASONS = {
    100: b"Continue", 200: b"OK", 201: b"Created", 202: b"Accepted", 204: b"No Content", 206: b"Partial Content",
    301: b"Moved Permanently", 302: b"Found", 303: b"See Other", 304: b"Not Modified", 307: b"Temporary Redirect",
    308: b"Permanent Redirect", 400: b"Bad Request", 401: b"Unauthorized", 402: b"Payment Required", 403: b"Forbidden",
    404: b"Not Found", 405: b"Method Not Allowed", 406: b"Not Acceptable", 408: b"Request Timeout", 409: b"Conflict",
    410: b"Gone", 411: b"Length Required", 412: b"Precondition Failed", 413: b"Content Too Large",
    414: b"URI Too Long", 415: b"Unsupported Media Type", 417: b"Expectation Failed", 422: b"Unprocessable Content",
    424: b"Failed Dependency", 425: b"Too Early", 426: b"Upgrade Required", 428: b"Precondition Required",
    429: b"Too Many Requests", 431: b"Request Header Fields Too Large", 500: b"Internal Server Error",
    501: b"Not Implemented", 502: b"Bad Gateway", 503: b"Service Unavailable", 504: b"Gateway Timeout",
    505: b"HTTP Version Not Supported", 529: b"Overloaded",
}


cdef bytes reason_of(int status, MessageHead forwarded):
    if isinstance(forwarded, ResponseHead) and (<ResponseHead>forwarded).status == status:
        return (<ResponseHead>forwarded).reason
    return <bytes>REASONS.get(status, b"")


cpdef bytes write_response(
    int status, MessageHead forwarded, HeaderFilter drop, bytes extra_lines, long long content_length, bint chunked,
    bint keep_alive, bytes body
):
    cdef bytes reason
    cdef Sheet sheet
    if extra_lines is None or body is None:
        raise TypeError("extra_lines and body must be bytes")
    if not 100 <= status <= 599:
        raise ValueError(f"status {status}: expected 100 to 599")
    if chunked and content_length >= 0:
        raise ValueError("a body is either counted or chunked")
    if (status < 200 or status == 204) and (chunked or content_length >= 0):
        raise ValueError(f"status {status} has no body and no framing header")
    if content_length >= 0 and len(body) > content_length:
        raise ValueError(f"{len(body)} bytes of body for a content-length of {content_length}")
    reason = reason_of(status, forwarded)
    open_sheet(&sheet, len(reason) + forward_bound(forwarded) + len(extra_lines) + LINES_BYTES + len(body))
    put(&sheet, "HTTP/1.1 ", 9)
    put_decimal(&sheet, status)
    put(&sheet, " ", 1)
    put_bytes(&sheet, reason)
    put(&sheet, "\r\n", 2)
    forward(&sheet, forwarded, False, drop)
    put_bytes(&sheet, extra_lines)
    if content_length >= 0:
        put(&sheet, "content-length: ", 16)
        put_decimal(&sheet, content_length)
        put(&sheet, "\r\n", 2)
    elif chunked:
        put(&sheet, "transfer-encoding: chunked\r\n", 28)
    if not keep_alive:
        put(&sheet, "connection: close\r\n", 19)
    put(&sheet, "\r\n", 2)
    put_bytes(&sheet, body)
    return close_sheet(&sheet)


cdef bytes frame_chunk(const unsigned char* data, Py_ssize_t size):
    cdef const char* digits = "0123456789abcdef"
    cdef char[16] text
    cdef int at = 16
    cdef Py_ssize_t left = size
    cdef bytes chunk
    cdef char* to
    if size == 0:
        return b""
    while left:
        at -= 1
        text[at] = digits[left & 15]
        left >>= 4
    chunk = PyBytes_FromStringAndSize(NULL, 16 - at + 2 + size + 2)
    to = PyBytes_AS_STRING(chunk)
    memcpy(to, &text[at], 16 - at)
    memcpy(to + 16 - at, "\r\n", 2)
    memcpy(to + 18 - at, data, size)
    memcpy(to + 18 - at + size, "\r\n", 2)
    return chunk


def write_chunk(bytes data not None):
    return frame_chunk(<const unsigned char*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
