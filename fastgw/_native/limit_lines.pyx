# The header lines about limits, in the names and units of a dialect.
#
# Invariant: times are rounded up: who waits as long as is said finds the bucket full.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from fastgw._native.limit_set cimport Reservation

cdef enum:
    ROOM = 256                 # for the three lines about one bucket: at most 39 bytes of name and 24 of value each

cdef int64_t NS_PER_MS = 1_000_000
cdef int64_t NS_PER_S = 1_000_000_000


cdef inline char* put(char* out, const char* text, Py_ssize_t size) noexcept nogil:
    memcpy(out, text, size)
    return out + size


cdef char* put_number(char* out, int64_t number, int digits) noexcept nogil:
    # With at least so many digits; number >= 0
    cdef char text[20]
    cdef int at = 20
    while number or at > 20 - digits:
        at -= 1
        text[at] = <char>(c"0" + number % 10)
        number //= 10
    return put(out, &text[at], 20 - at)


cdef char* put_duration(char* out, int64_t ns) noexcept nogil:
    cdef int64_t ms = ns // NS_PER_MS + (ns % NS_PER_MS > 0)
    cdef int64_t seconds = ms // 1000
    cdef int64_t rest_ms = ms % 1000
    if seconds == 0:
        return put(put_number(out, ms, 1), b"ms", 2)
    if seconds >= 3600:
        out = put(put_number(out, seconds // 3600, 1), b"h", 1)
    if seconds >= 60:
        out = put(put_number(out, seconds % 3600 // 60, 1), b"m", 1)
    out = put_number(out, seconds % 60, 1)
    if rest_ms:
        out = put_number(put(out, b".", 1), rest_ms, 3)
        while (out - 1)[0] == c"0":
            out -= 1
    return put(out, b"s", 1)


cdef char* put_moment(char* out, int64_t unix_ns) noexcept nogil:
    # Howard Hinnant's civil_from_days (https://howardhinnant.github.io/date_algorithms.html), for times from 1970 on.
    cdef int64_t unix_s = unix_ns // NS_PER_S + (unix_ns % NS_PER_S > 0)
    cdef int64_t second = unix_s % 86_400
    cdef int64_t shifted = unix_s // 86_400 + 719_468
    cdef int64_t era = shifted // 146_097
    cdef int64_t day_of_era = shifted % 146_097
    cdef int64_t year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    cdef int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    cdef int64_t month = (5 * day_of_year + 2) // 153
    cdef int64_t day = day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    out = put(put_number(out, year_of_era + era * 400 + (month <= 2), 4), b"-", 1)
    out = put(put_number(out, month, 2), b"-", 1)
    out = put(put_number(out, day, 2), b"T", 1)
    out = put(put_number(out, second // 3600, 2), b":", 1)
    out = put(put_number(out, second // 60 % 60, 2), b":", 1)
    return put(put_number(out, second % 60, 2), b"Z", 1)


cdef char* put_level(
    char* out, bint anthropic, bint of_tokens, int64_t limit, int64_t remaining, int64_t reset_ns, int64_t now_ns
) noexcept nogil:
    cdef const char* counted = b"tokens" if of_tokens else b"requests"
    cdef int size = 6 if of_tokens else 8
    cdef int line
    for line in range(3):
        if anthropic:
            out = put(put(put(out, b"anthropic-ratelimit-", 20), counted, size), b"-", 1)
        else:
            out = put(out, b"x-ratelimit-", 12)
        if line == 0:
            out = put(out, b"limit", 5)
        elif line == 1:
            out = put(out, b"remaining", 9)
        else:
            out = put(out, b"reset", 5)
        if not anthropic:
            out = put(put(out, b"-", 1), counted, size)
        out = put(out, b": ", 2)
        if line == 0:
            out = put_number(out, limit, 1)
        elif line == 1:
            out = put_number(out, remaining, 1)
        elif anthropic:
            # A moment that no calendar here has is told as the last one that it has.
            out = put_moment(out, now_ns + reset_ns if reset_ns < (<int64_t>1 << 62) - now_ns else <int64_t>1 << 62)
        else:
            out = put_duration(out, reset_ns)
        out = put(out, b"\r\n", 2)
    return out


cpdef bytes level_lines(bint anthropic, bint of_tokens, int64_t limit, int64_t remaining, int64_t reset_ns, int64_t now_ns):
    cdef char lines[ROOM]
    if limit < 0 or remaining < 0 or reset_ns < 0 or now_ns < 0:
        raise ValueError("numbers of a limit are not negative")
    return PyBytes_FromStringAndSize(lines, put_level(lines, anthropic, of_tokens, limit, remaining, reset_ns, now_ns) - lines)


cpdef bytes reservation_lines(bytes rules_line, Reservation taken, bint anthropic, int64_t now_ns):
    cdef char lines[2 * ROOM]
    cdef char* at = lines
    cdef bytes found
    cdef char* out
    if rules_line is None or taken is None:
        raise TypeError("expected bytes and a reservation")
    if taken.requests_limit:
        at = put_level(at, anthropic, False, taken.requests_limit, taken.requests_remaining, taken.requests_reset_ns, now_ns)
    if taken.tokens_limit:
        at = put_level(at, anthropic, True, taken.tokens_limit, taken.tokens_remaining, taken.tokens_reset_ns, now_ns)
    found = PyBytes_FromStringAndSize(NULL, PyBytes_GET_SIZE(rules_line) + (at - lines))
    out = put(PyBytes_AS_STRING(found), PyBytes_AS_STRING(rules_line), PyBytes_GET_SIZE(rules_line))
    put(out, lines, at - lines)
    return found
