"""The strict parser of HTTP/1.1 message heads: request line or status line, header fields, and what they say about
framing.

Owns: the decision where a head ends, which headers it has and how the body behind it is framed. Invariant: a head
is accepted only when every HTTP parser that accepts it reads the same boundaries; the parser never looks ahead, so
a prefix of a bad head is refused at the very byte that spoils it and any split of the bytes gives the same answer.
Does not read bodies (``http_body``), does no IO and keeps nothing between calls: while a head is incomplete the
caller keeps the bytes and asks again. """

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp

from fastgw._native.ascii cimport (
    COLON, COMMA, CR, LF, SPACE, TARGET_BYTE, TOKEN_BYTE, equals_lower, is_blank, is_digit, resembles, skip,
    skip_blanks, skip_value,
)
from fastgw._native.http_grammar cimport (
    CODING_MALFORMED, CODING_UNKNOWN, VERSION_MALFORMED, VERSION_UNSPOKEN, Coding, coding_of, is_host, length_of,
    lists_token, version_at,
)

from fastgw._native.errors import HttpLimitError, HttpSyntaxError

cdef enum:
    SEEN_HOST = 1
    SEEN_LENGTH = 2
    SEEN_CODING = 4
    SEEN_EXPECT = 8
    MAX_OPTIONS = 32             # elements of Connection; real clients send at most three
    MAX_HEAD_BYTES = 0x7FFFFFFF  # spans are 32-bit

cdef str IMITATION = "header name that imitates a framing header"


cdef int refuse(str message, int status=400) except -1:
    raise HttpSyntaxError(message, status)


cdef int refuse_name(unsigned char byte, bint first) except -1:
    if byte == LF or byte == CR:
        return refuse("bare CR or LF in a header name")
    if is_blank(byte):
        return refuse("folded header line" if first else "blank inside a header name or before its colon")
    return refuse("empty header name" if byte == COLON else "invalid byte in a header name")


cdef int line_ends(const unsigned char* at, const unsigned char* end, str where) except -1:
    # 1 when CR LF stand at `at`, 0 when they may still come.
    if at == end:
        return 0
    if at[0] != CR:
        return refuse(f"bare LF in {where}" if at[0] == LF else f"invalid byte in {where}")
    if at + 1 == end:
        return 0
    if at[1] != LF:
        return refuse(f"bare CR in {where}")
    return 1


cdef int read_version(const unsigned char* at, const unsigned char* end) except -2:
    # The minor version at `at`, -1 when more bytes are needed.
    cdef int version = version_at(at, end)
    if version == VERSION_MALFORMED:
        refuse("malformed HTTP version")
    if version == VERSION_UNSPOKEN:
        refuse("only HTTP/1.0 and HTTP/1.1 are spoken")
    return version


cdef class MessageHead:
    def __cinit__(self):
        self.content_length = -1

    def __dealloc__(self):
        free(self._spans)

    def __len__(self):
        return self._count

    cdef const unsigned char* _bind(self, bytes data, Py_ssize_t start) noexcept:
        self._data = data
        self._start = start
        return self._bytes()

    cdef const unsigned char* _bytes(self) noexcept:
        return <const unsigned char*>PyBytes_AS_STRING(self._data) + self._start

    cdef const unsigned char* find(self, const char* lower_name, Py_ssize_t name_len, Py_ssize_t* value_len) noexcept:
        cdef HeaderSpan* span
        cdef int i
        for i in range(self._count):
            span = self._spans + i
            if span.name_len == name_len and equals_lower(self._bytes() + span.name_at, lower_name, name_len):
                value_len[0] = span.value_len
                return self._bytes() + span.value_at
        return NULL

    cdef bint nominates(self, const unsigned char* name, Py_ssize_t name_len) noexcept:
        cdef const unsigned char* value
        cdef HeaderSpan* span
        cdef int i
        for i in range(self._count if self._nominates else 0):
            span = self._spans + i
            if span.name_len == 10 and equals_lower(self._bytes() + span.name_at, "connection", 10):
                value = self._bytes() + span.value_at
                if lists_token(value, value + span.value_len, name, name_len):
                    return True
        return False

    cpdef bytes header(self, bytes lower_name):
        cdef Py_ssize_t value_len = 0
        cdef const unsigned char* value = self.find(lower_name, len(lower_name), &value_len)
        return None if value == NULL else PyBytes_FromStringAndSize(<const char*>value, value_len)

    def header_items(self):
        cdef list items = []
        cdef const char* base
        cdef HeaderSpan* span
        cdef int i
        for i in range(self._count):
            base = <const char*>self._bytes()
            span = self._spans + i
            items.append((
                base[span.name_at:span.name_at + span.name_len], base[span.value_at:span.value_at + span.value_len]
            ))
        return items

    cdef int _append(self, HeaderSpan span) except -1:
        cdef HeaderSpan* grown
        cdef int capacity
        if self._count == self._capacity:
            capacity = 2 * self._capacity if self._capacity else 24  # max_headers bounds it long before an overflow
            grown = <HeaderSpan*>realloc(self._spans, capacity * sizeof(HeaderSpan))
            if grown == NULL:
                raise MemoryError()
            self._spans = grown
            self._capacity = capacity
        self._spans[self._count] = span
        self._count += 1
        return 0

    cdef int _fields(self, const unsigned char* at, const unsigned char* end, int max_headers) except -1:
        # Reads header lines up to and with the empty one. 1 when that has been read, 0 when bytes are missing.
        cdef const unsigned char* base = self._bytes()
        cdef const unsigned char* begin
        cdef HeaderSpan span
        while at < end:
            if at[0] == CR:
                if not line_ends(at, end, "the header section"):
                    return 0
                self.size_bytes = at + 2 - base
                self.keep_alive = (self.minor_version or self._keeps) and not self._closes
                return 1
            begin = at
            at = skip(at, end, TOKEN_BYTE)
            if at > begin and self._count == max_headers:
                raise HttpLimitError(f"more than {max_headers} headers", 431)
            if at == end:
                return 0
            if at[0] != COLON or at == begin:
                return refuse_name(at[0], at == begin)
            span.name_at = <int>(begin - base)
            span.name_len = <int>(at - begin)
            at = skip_blanks(at + 1, end)
            begin = at
            at = skip_value(at, end)
            if not line_ends(at, end, "a header value"):
                return 0
            span.value_at = <int>(begin - base)
            span.value_len = <int>(at - begin)
            while span.value_len and is_blank(begin[span.value_len - 1]):
                span.value_len -= 1
            self._append(span)
            if span.name_len <= 17:
                self._note(&span)
            at += 2
        return 0

    cdef int _note(self, HeaderSpan* span) except -1:
        # What a header means for this message, by the length of its name: most headers are none of these.
        cdef const unsigned char* name = self._bytes() + span.name_at
        cdef const unsigned char* value = self._bytes() + span.value_at
        cdef int size = span.name_len
        if size == 10 and equals_lower(name, "connection", 10):
            return self._note_connection(value, value + span.value_len)
        if size == 14 and resembles(name, "content-length", 14):
            return self._note_length(value, span.value_len) if name[7] == c"-" else refuse(IMITATION)
        if size == 17 and resembles(name, "transfer-encoding", 17):
            return self._note_coding(value, span.value_len) if name[8] == c"-" else refuse(IMITATION)
        return self._note_own(name, span) if size == 4 or size == 6 else 0

    cdef int _note_own(self, const unsigned char* name, HeaderSpan* span) except -1:
        return 0

    cdef int _note_connection(self, const unsigned char* at, const unsigned char* end) except -1:
        # A list of tokens; empty elements are legal (RFC 9110 5.6.1.2).
        cdef const unsigned char* begin
        while at < end:
            if at[0] == COMMA or is_blank(at[0]):
                at += 1
                continue
            begin = at
            at = skip(at, end, TOKEN_BYTE)
            if at == begin:
                return refuse("malformed Connection")
            if at - begin == 5 and equals_lower(begin, "close", 5):
                self._closes = True
            elif at - begin == 10 and equals_lower(begin, "keep-alive", 10):
                self._keeps = True
            else:
                self._nominates = True
            self._option_count += 1
            if self._option_count > MAX_OPTIONS:
                raise HttpLimitError(f"more than {MAX_OPTIONS} connection options", 431)
            at = skip_blanks(at, end)
            if at < end and at[0] != COMMA:
                return refuse("malformed Connection")
        return 0

    cdef int _note_length(self, const unsigned char* value, int size) except -1:
        if self._seen & SEEN_LENGTH:
            return refuse("repeated Content-Length")
        if self._seen & SEEN_CODING:
            return refuse("Content-Length together with Transfer-Encoding")
        self._seen |= SEEN_LENGTH
        self.content_length = length_of(value, size)
        return refuse("malformed Content-Length") if self.content_length < 0 else 0

    cdef int _note_coding(self, const unsigned char* value, int size) except -1:
        cdef Coding coding
        if self._seen & SEEN_CODING:
            return refuse("repeated Transfer-Encoding")
        if self._seen & SEEN_LENGTH:
            return refuse("Content-Length together with Transfer-Encoding")
        if self.minor_version == 0:
            return refuse("Transfer-Encoding in HTTP/1.0")
        self._seen |= SEEN_CODING
        coding = coding_of(value, value + size)
        if coding == CODING_UNKNOWN:
            return refuse("unknown transfer coding")
        if coding == CODING_MALFORMED:
            return refuse("malformed Transfer-Encoding")
        self.chunked = True
        return 0


@cython.final
cdef class RequestHead(MessageHead):
    cdef const unsigned char* _request_line(self, const unsigned char* at, const unsigned char* end) except? NULL:
        # The byte after the line, or NULL without an error when it is incomplete.
        cdef const unsigned char* method = at
        cdef const unsigned char* target
        cdef const unsigned char* query
        cdef Py_ssize_t method_len, target_len
        at = skip(at, end, TOKEN_BYTE)
        if at == end:
            return NULL
        method_len = at - method
        if at[0] != SPACE or method_len == 0:
            refuse("malformed method")
        at += 1
        target = at
        if at == end:
            return NULL
        if at[0] != c"/" and not (at[0] == c"*" and method_len == 7 and memcmp(method, b"OPTIONS", 7) == 0):
            refuse("the target must be a path, or * for OPTIONS")
        at = skip(at, end, TARGET_BYTE) if at[0] == c"/" else at + 1
        target_len = at - target
        if at == end:
            return NULL
        if at[0] != SPACE:
            refuse("fragment in the target" if at[0] == c"#" else "invalid byte in the target")
        at += 1
        self.minor_version = read_version(at, end)
        if self.minor_version < 0 or not line_ends(at + 8, end, "the request line"):
            return NULL
        self.method = PyBytes_FromStringAndSize(<const char*>method, method_len)
        if self.method == b"CONNECT":
            refuse("CONNECT is not served")
        self.target = PyBytes_FromStringAndSize(<const char*>target, target_len)
        query = <const unsigned char*>memchr(target, c"?", target_len)
        self.path = self.target if query == NULL else PyBytes_FromStringAndSize(<const char*>target, query - target)
        return at + 10

    cdef int _note_own(self, const unsigned char* name, HeaderSpan* span) except -1:
        cdef const unsigned char* value = self._bytes() + span.value_at
        if span.name_len == 4 and equals_lower(name, "host", 4):
            if self._seen & SEEN_HOST:
                return refuse("repeated Host")
            self._seen |= SEEN_HOST
            return 0 if is_host(value, value + span.value_len) else refuse("malformed Host")
        # A server ignores the expectation of an HTTP/1.0 request (RFC 9110 10.1.1).
        if span.name_len == 6 and self.minor_version and equals_lower(name, "expect", 6):
            if self._seen & SEEN_EXPECT or span.value_len != 12 or not equals_lower(value, "100-continue", 12):
                return refuse("only the expectation 100-continue is met", 417)
            self._seen |= SEEN_EXPECT
            self.expect_continue = True
        return 0


@cython.final
cdef class ResponseHead(MessageHead):
    cdef const unsigned char* _status_line(self, const unsigned char* at, const unsigned char* end) except? NULL:
        # The byte after the line, or NULL without an error when it is incomplete.
        cdef const unsigned char* reason
        cdef int i
        self.minor_version = read_version(at, end)
        if self.minor_version < 0 or at + 8 == end:
            return NULL
        at += 8
        if at[0] != SPACE:
            refuse("malformed status line")
        for i in range(1, 4):
            if at + i == end:
                return NULL
            if not is_digit(at[i]) or (i == 1 and not c"1" <= at[i] <= c"5"):
                refuse("the status must be three digits from 100 to 599")
            self.status = 10 * self.status + (at[i] - c"0")
        at += 4
        reason = at
        # "HTTP/1.1 200" without the space before an empty reason is common and has one reading.
        if at < end and at[0] == SPACE:
            reason = at + 1
            at = skip_value(reason, end)
        if not line_ends(at, end, "the status line"):
            return NULL
        self.reason = PyBytes_FromStringAndSize(<const char*>reason, at - reason)
        return at + 2

    cdef int _settle(self) except -1:
        cdef bint never_has_body = self.status < 200 or self.status == 204
        if never_has_body and (self.chunked or self.content_length > 0):
            return refuse("a body is announced for a status that has none")
        self.bodiless = self.bodiless or never_has_body or self.status == 304
        if self.status == 101 or not (self.bodiless or self.chunked or self.content_length >= 0):
            self.keep_alive = False
        return 0


cdef object refuse_long(Py_ssize_t limit_bytes):
    raise HttpLimitError(f"the head has more than {limit_bytes} bytes", 431)


cdef RequestHead request_head(bytes data, Py_ssize_t start, Py_ssize_t max_head_bytes, int max_headers):
    cdef RequestHead head = RequestHead.__new__(RequestHead)
    cdef Py_ssize_t arrived_bytes = PyBytes_GET_SIZE(data) - start
    cdef const unsigned char* at = head._bind(data, start)
    cdef const unsigned char* end
    max_head_bytes = min(max_head_bytes, MAX_HEAD_BYTES)
    end = at + min(arrived_bytes, max_head_bytes)
    # One empty line before a request is read over (RFC 9112 2.2); it counts towards size_bytes.
    if at < end and at[0] == CR:
        at = at + 2 if line_ends(at, end, "the line before the request") else end
    at = head._request_line(at, end)
    if at == NULL or not head._fields(at, end, max_headers):
        return refuse_long(max_head_bytes) if arrived_bytes >= max_head_bytes else None
    if head.minor_version and not head._seen & SEEN_HOST:
        refuse("missing Host")
    return head


cdef ResponseHead response_head(
    bytes data, Py_ssize_t start, Py_ssize_t max_head_bytes, int max_headers, bint answers_head
):
    cdef ResponseHead head = ResponseHead.__new__(ResponseHead)
    cdef Py_ssize_t arrived_bytes = PyBytes_GET_SIZE(data) - start
    cdef const unsigned char* at = head._bind(data, start)
    cdef const unsigned char* end
    max_head_bytes = min(max_head_bytes, MAX_HEAD_BYTES)
    end = at + min(arrived_bytes, max_head_bytes)
    head.bodiless = answers_head
    at = head._status_line(at, end)
    if at == NULL or not head._fields(at, end, max_headers):
        return refuse_long(max_head_bytes) if arrived_bytes >= max_head_bytes else None
    head._settle()
    return head


cdef int check_bounds(bytes data, Py_ssize_t start, Py_ssize_t max_head_bytes, int max_headers) except -1:
    if not 0 <= start <= PyBytes_GET_SIZE(data) or max_head_bytes < 1 or max_headers < 0:
        raise ValueError("start must lie in data, max_head_bytes be positive and max_headers not negative")
    return 0


def parse_request_head(
    bytes data not None, Py_ssize_t start=0, Py_ssize_t max_head_bytes=65536, int max_headers=128
):
    check_bounds(data, start, max_head_bytes, max_headers)
    return request_head(data, start, max_head_bytes, max_headers)


def parse_response_head(
    bytes data not None, Py_ssize_t start=0, Py_ssize_t max_head_bytes=65536, int max_headers=128,
    bint answers_head=False
):
    check_bounds(data, start, max_head_bytes, max_headers)
    return response_head(data, start, max_head_bytes, max_headers, answers_head)
