# What single pieces of an HTTP/1.1 head say, as pure functions over bytes: version, host, length, transfer coding,
# option lists.
#
# Owns: the grammar of these values. Invariant: no look-ahead past `end`, no Python object touched. Does not decide
# what a message makes of the answer, nor which error it is: that is http_head.

from libc.string cimport memcmp

from fastgw._native.ascii cimport (
    COLON, COMMA, HOST_BYTE, TOKEN_BYTE, equals_lower, is_digit, is_in, lower, skip, skip_blanks,
)
from fastgw._native.byte_search cimport find_needle

cdef enum:
    VERSION_SHORT = -1      # bytes are missing
    VERSION_MALFORMED = -2
    VERSION_UNSPOKEN = -3   # HTTP, but neither 1.0 nor 1.1
    LENGTH_DIGITS = 19      # of 2**63 - 1

cdef enum Coding:
    CODING_CHUNKED
    CODING_UNKNOWN          # a well-formed list that names something besides chunked, in an order that may stand
    CODING_MALFORMED


cdef inline int version_at(const unsigned char* at, const unsigned char* end) noexcept nogil:
    # The minor version (0 or 1), or one of VERSION_*. Reads "HTTP/d.d" and nothing behind it.
    cdef const char* shape = "HTTP/d.d"
    cdef int i
    for i in range(8):
        if at + i == end:
            return VERSION_SHORT
        if not is_digit(at[i]) if shape[i] == c"d" else at[i] != <unsigned char>shape[i]:
            return VERSION_MALFORMED
    return VERSION_UNSPOKEN if at[5] != c"1" or at[7] > c"1" else at[7] - c"0"


cdef inline bint is_host(const unsigned char* at, const unsigned char* end) noexcept nogil:
    # host [":" port] with a bracketed IP literal or a name of unreserved bytes, neither part empty: stricter than
    # RFC 9110 7.2.
    cdef const unsigned char* begin = at
    if at < end and at[0] == c"[":
        at += 1
        while at < end and (is_in(at[0], HOST_BYTE) or at[0] == COLON):
            at += 1
        if at == end or at[0] != c"]" or at - begin < 3:
            return False
        at += 1
    else:
        at = skip(at, end, HOST_BYTE)
        if at == begin:
            return False
    if at == end:
        return True
    if at[0] != COLON or not 2 <= end - at <= 6:
        return False
    at += 1
    while at < end and is_digit(at[0]):
        at += 1
    return at == end


cdef inline long long length_of(const unsigned char* value, Py_ssize_t size) noexcept nogil:
    # The value of Content-Length, or -1: only digits, no leading zero (some parsers read octal), at most 2**63 - 1.
    cdef unsigned long long length = 0  # nineteen digits stay below 10**19 < 2**64
    cdef Py_ssize_t i
    if size < 1 or size > LENGTH_DIGITS or (size > 1 and value[0] == c"0"):
        return -1
    for i in range(size):
        if not is_digit(value[i]):
            return -1
        length = 10 * length + (value[i] - c"0")
    return <long long>length if length <= <unsigned long long>0x7FFFFFFFFFFFFFFF else -1


cdef inline Coding coding_of(const unsigned char* at, const unsigned char* end) noexcept nogil:
    # CODING_CHUNKED is exactly "chunked" in any case. "chunked" before another coding is malformed (RFC 9112 6.1).
    cdef const unsigned char* begin
    cdef bint chunked = False
    if end - at == 7 and equals_lower(at, "chunked", 7):
        return CODING_CHUNKED
    while not chunked:
        begin = at
        at = skip(at, end, TOKEN_BYTE)
        if at == begin:
            break
        chunked = at - begin == 7 and equals_lower(begin, "chunked", 7)
        at = skip_blanks(at, end)
        if at == end:
            return CODING_UNKNOWN
        if at[0] != COMMA:
            break
        at = skip_blanks(at + 1, end)
    return CODING_MALFORMED


cdef inline bint lists_token(
    const unsigned char* at, const unsigned char* end, const unsigned char* token, Py_ssize_t token_len
) noexcept nogil:
    # Whether a list of tokens has this one, letters folded.
    cdef const unsigned char* begin
    cdef Py_ssize_t i
    while at < end:
        begin = at
        at = skip(at, end, TOKEN_BYTE)
        if at - begin == token_len:
            i = 0
            while i < token_len and lower(begin[i]) == lower(token[i]):
                i += 1
            if i == token_len:
                return True
        if at < end:
            at += 1
    return False


cdef enum:
    SMALL_READ_BYTES = 4096


cdef inline Py_ssize_t behind_head(const unsigned char* data, Py_ssize_t size) noexcept nogil:
    # Where what looks like a head ends; all of it when nothing does, or when copying it is quicker than looking.
    cdef const unsigned char* end = NULL
    if size > SMALL_READ_BYTES:
        end = find_needle(data, data + size, <const unsigned char*>b"\r\n\r\n", 4)
    return size if end == NULL else end + 4 - data


cdef inline bint is_timeout(const unsigned char* data, Py_ssize_t size) noexcept nogil:
    # What servers say before they close a connection that nobody used: no answer to anybody.
    return size >= 12 and memcmp(data, b"HTTP/1.", 7) == 0 and memcmp(data + 8, b" 408", 4) == 0
