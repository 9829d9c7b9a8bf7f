"""The grammar of RFC 8259 on raw bytes, as inline functions over a cursor: strict, iterative, without Python objects.

Each `skip_*` returns the position behind what it names, or NULL after it wrote the fault into the `Scan`. Nothing is
read at or behind `Scan.end`. UTF-8 is checked in every string, also of values that nobody asks for.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy

from fastgw._native.byte_search cimport ESCAPE_LETTERS, first_of2, past_escapes, utf8_run

cdef extern from *:
    """
    #include <stdint.h>
    /* Value of a hexadecimal digit plus one; 0 for every other byte. */
    static const unsigned char fgw_hex_digits[256] = {
        ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
        ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
        ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    };
    """
    const unsigned char *HEX_DIGITS "fgw_hex_digits"

cdef enum:
    DEPTH_CAPACITY = 1024

cdef enum Fault:
    UNEXPECTED_END, NOT_AN_OBJECT, BYTE_ORDER_MARK, TRAILING, TOO_DEEP, BAD_UTF8, CONTROL, BAD_ESCAPE
    BAD_NUMBER, NO_VALUE, NO_NAME, NO_COLON, NO_COMMA, DUPLICATE

cdef struct Scan:
    const unsigned char *end
    const unsigned char *at  # where the fault is
    Fault fault
    const unsigned char *name_end  # closing quote of the last member name
    int escaped  # the last string has a backslash
    int max_depth
    Py_ssize_t text_bytes

ctypedef const unsigned char *Cursor


cdef inline void start_scan(Scan *scan, Cursor end, int max_depth) noexcept nogil:
    scan.end = end
    scan.max_depth = max_depth
    scan.text_bytes = 0


cdef inline Cursor fail(Scan *scan, Fault fault, Cursor at) noexcept nogil:
    scan.fault = fault if at < scan.end else UNEXPECTED_END
    scan.at = at
    return NULL


cdef inline Cursor skip_space(Cursor p, Cursor end) noexcept nogil:
    while p < end and (p[0] == 0x20 or p[0] == 0x0A or p[0] == 0x0D or p[0] == 0x09):
        p += 1
    return p


cdef inline bint continues(Cursor p, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        if (p[i] & 0xC0) != 0x80:
            return False
    return True


cdef inline Py_ssize_t utf8_length(Cursor p, Py_ssize_t left) noexcept nogil:
    """Length of the well-formed sequence at p (Unicode table 3-7), which is not ASCII; 0 when there is none."""
    cdef unsigned char lead = p[0]
    if lead < 0xC2 or lead > 0xF4:
        return 0
    if lead < 0xE0:
        return 2 if left >= 2 and continues(p + 1, 1) else 0
    if lead < 0xF0:
        if left < 3 or (lead == 0xE0 and p[1] < 0xA0) or (lead == 0xED and p[1] > 0x9F):
            return 0
        return 3 if continues(p + 1, 2) else 0
    if left < 4 or (lead == 0xF0 and p[1] < 0x90) or (lead == 0xF4 and p[1] > 0x8F):
        return 0
    return 4 if continues(p + 1, 3) else 0


cdef inline int hex4(Cursor p) noexcept nogil:
    """Value of four hexadecimal digits, or -1."""
    cdef int a = HEX_DIGITS[p[0]], b = HEX_DIGITS[p[1]], c = HEX_DIGITS[p[2]], d = HEX_DIGITS[p[3]]
    if not (a and b and c and d):
        return -1
    return (a - 1) << 12 | (b - 1) << 8 | (c - 1) << 4 | (d - 1)


cdef inline Cursor skip_escape(Scan *scan, Cursor p) noexcept nogil:
    """p is after the backslash."""
    if p >= scan.end:
        return fail(scan, UNEXPECTED_END, p)
    if p[0] == c'u':
        if scan.end - p < 5:
            return fail(scan, UNEXPECTED_END, scan.end)
        return p + 5 if hex4(p + 1) >= 0 else fail(scan, BAD_ESCAPE, p)
    return p + 1 if ESCAPE_LETTERS[p[0]] else fail(scan, BAD_ESCAPE, p)


cdef inline Cursor skip_string(Scan *scan, Cursor p) noexcept nogil:
    """p is after the opening quote; the result is after the closing one."""
    cdef Py_ssize_t length
    cdef Cursor run
    scan.escaped = False
    while True:
        p = past_escapes(p, scan.end, &scan.escaped)
        if p >= scan.end:
            return fail(scan, UNEXPECTED_END, p)
        if p[0] == c'"':
            return p + 1
        if p[0] == c'\\':
            scan.escaped = True
            while p < scan.end and p[0] == c'\\':  # escapes often come in runs
                p = skip_escape(scan, p + 1)
                if p == NULL:
                    return NULL
        elif p[0] < 0x20:
            return fail(scan, CONTROL, p)
        else:
            # A character alone in ASCII is quicker by itself; more of them in blocks.
            run = p
            while p < scan.end and p[0] >= 0x80:
                if p != run:
                    p = utf8_run(p, scan.end)
                    if p >= scan.end or p[0] < 0x80:
                        break
                length = utf8_length(p, scan.end - p)
                if length == 0:
                    return fail(scan, BAD_UTF8, p)
                p += length


cdef inline Cursor skip_digits(Cursor p, Cursor end) noexcept nogil:
    while p < end and 0x30 <= p[0] <= 0x39:
        p += 1
    return p


cdef inline Cursor skip_number(Scan *scan, Cursor p) noexcept nogil:
    cdef Cursor end = scan.end
    cdef Cursor digits
    if p[0] == c'-':
        p += 1
    if p < end and p[0] == c'0':
        p += 1
        if p < end and 0x30 <= p[0] <= 0x39:
            return fail(scan, BAD_NUMBER, p)
    else:
        digits = p
        p = skip_digits(p, end)
        if p == digits:
            return fail(scan, BAD_NUMBER, p)
    if p < end and p[0] == c'.':
        digits = p + 1
        p = skip_digits(digits, end)
        if p == digits:
            return fail(scan, BAD_NUMBER, p)
    if p < end and (p[0] | 0x20) == c'e':
        p += 1
        if p < end and (p[0] == c'+' or p[0] == c'-'):
            p += 1
        digits = p
        p = skip_digits(digits, end)
        if p == digits:
            return fail(scan, BAD_NUMBER, p)
    return p


cdef inline Cursor skip_scalar(Scan *scan, Cursor p) noexcept nogil:
    """Any value that is not an object or array; p may be at the end."""
    cdef Cursor start
    cdef Py_ssize_t left = scan.end - p
    if left <= 0:
        return fail(scan, UNEXPECTED_END, p)
    if p[0] == c'"':
        start = p + 1
        p = skip_string(scan, start)
        if p != NULL:
            scan.text_bytes += p - 1 - start
        return p
    if p[0] == c'-' or 0x30 <= p[0] <= 0x39:
        return skip_number(scan, p)
    if left >= 4 and (memcmp(p, b"true", 4) == 0 or memcmp(p, b"null", 4) == 0):
        return p + 4
    if left >= 5 and memcmp(p, b"false", 5) == 0:
        return p + 5
    return fail(scan, NO_VALUE, p)


cdef inline Cursor skip_name(Scan *scan, Cursor p) noexcept nogil:
    """A member name, its colon and the white space behind; p may be at the end."""
    if p >= scan.end or p[0] != c'"':
        return fail(scan, NO_NAME, p)
    p = skip_string(scan, p + 1)
    if p == NULL:
        return NULL
    scan.name_end = p - 1
    p = skip_space(p, scan.end)
    if p >= scan.end or p[0] != c':':
        return fail(scan, NO_COLON, p)
    return skip_space(p + 1, scan.end)


cdef inline Cursor skip_value(Scan *scan, Cursor p) noexcept nogil:
    """One value of any kind inside the top-level object; p may be at the end.

    Iterative: the levels are in `closers`.
    """
    cdef unsigned char closers[DEPTH_CAPACITY]
    cdef int depth = 0
    while True:
        if p < scan.end and (p[0] == c'{' or p[0] == c'['):
            if depth + 1 >= scan.max_depth:
                return fail(scan, TOO_DEEP, p)
            closers[depth] = p[0] + 2  # '}' and ']' are two behind '{' and '['
            depth += 1
            p = skip_space(p + 1, scan.end)
            if p >= scan.end or p[0] != closers[depth - 1]:
                if closers[depth - 1] == c'}':
                    p = skip_name(scan, p)
                    if p == NULL:
                        return NULL
                continue
        else:
            p = skip_scalar(scan, p)
            if p == NULL:
                return NULL
        # A value ended, or an empty container is at its closing bracket: climb to the next value.
        while True:
            if depth == 0:
                return p
            p = skip_space(p, scan.end)
            if p >= scan.end:
                return fail(scan, UNEXPECTED_END, p)
            if p[0] == closers[depth - 1]:
                depth -= 1
                p += 1
                continue
            if p[0] != c',':
                return fail(scan, NO_COMMA, p)
            p = skip_space(p + 1, scan.end)
            if closers[depth - 1] == c'}':
                p = skip_name(scan, p)
                if p == NULL:
                    return NULL
            break


cdef inline Py_ssize_t put_utf8(unsigned char *out, int code) noexcept nogil:
    if code < 0x80:
        out[0] = code
        return 1
    if code < 0x800:
        out[0] = 0xC0 | (code >> 6)
        out[1] = 0x80 | (code & 0x3F)
        return 2
    if code < 0x10000:
        out[0] = 0xE0 | (code >> 12)
        out[1] = 0x80 | ((code >> 6) & 0x3F)
        out[2] = 0x80 | (code & 0x3F)
        return 3
    out[0] = 0xF0 | (code >> 18)
    out[1] = 0x80 | ((code >> 12) & 0x3F)
    out[2] = 0x80 | ((code >> 6) & 0x3F)
    out[3] = 0x80 | (code & 0x3F)
    return 4


cdef inline int short_escape(unsigned char letter) noexcept nogil:
    if letter == c'b':
        return 0x08
    if letter == c'f':
        return 0x0C
    if letter == c'n':
        return 0x0A
    if letter == c'r':
        return 0x0D
    return 0x09 if letter == c't' else letter


cdef inline int unicode_escape(Cursor *at, Cursor end) noexcept nogil:
    """The code point of the \\u escape (or pair of them) with its first digit at[0], which moves behind it.

    -1: half of a surrogate pair.
    """
    cdef int code = hex4(at[0]), low
    at[0] += 4
    if code < 0xD800 or code > 0xDFFF:
        return code
    if code > 0xDBFF or end - at[0] < 6 or at[0][0] != c'\\' or at[0][1] != c'u':
        return -1
    low = hex4(at[0] + 2)
    if low < 0xDC00 or low > 0xDFFF:
        return -1
    at[0] += 6
    return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)


cdef inline Py_ssize_t unescape(Cursor p, Cursor end, unsigned char *out) noexcept nogil:
    """Decodes the inside of a valid JSON string into `out`, which has room for end - p bytes.

    The length of the result; -1: half of a surrogate pair.
    """
    cdef Py_ssize_t length = 0
    cdef Cursor stop
    cdef int code
    while p < end:
        stop = first_of2(p, end, c'\\', c'\\')
        memcpy(out + length, p, stop - p)
        length += stop - p
        if stop == end:
            break
        if stop[1] == c'u':
            p = stop + 2
            code = unicode_escape(&p, end)
            if code < 0:
                return -1
        else:
            p = stop + 2
            code = short_escape(stop[1])
        length += put_utf8(out + length, code)
    return length


cdef inline uint64_t power_of_ten(int64_t exponent) noexcept nogil:
    """exponent: 0 to 19."""
    cdef uint64_t power = 1
    while exponent > 0:
        power *= 10
        exponent -= 1
    return power


cdef inline int64_t whole_number(Cursor p, Cursor end, bint *is_whole) noexcept nogil:
    """The value of a valid JSON number; is_whole tells whether it is in int64 and without a fraction."""
    cdef bint negative = p[0] == c'-', in_fraction = False, small = False
    cdef int64_t exponent = 0, zeros = 0, fraction = 0, significant = 0
    cdef uint64_t digits = 0, limit = (<uint64_t>1 << 63) - (0 if negative else 1)
    is_whole[0] = False
    p += negative
    # The value so far is digits * 10 ** (zeros - fraction), where digits does not end in 0.
    while p < end and (p[0] | 0x20) != c'e':
        if p[0] == c'.':
            in_fraction = True
        else:
            fraction += in_fraction
            if p[0] == c'0':
                zeros += digits != 0
            else:
                significant += zeros + 1
                if significant > 19:
                    return 0
                digits = digits * power_of_ten(zeros + 1) + (p[0] - c'0')
                zeros = 0
        p += 1
    p += 1
    while p < end:
        if p[0] == c'-':
            small = True
        elif p[0] != c'+' and exponent < 1_000_000_000:  # no body has digits to make up for more
            exponent = exponent * 10 + (p[0] - c'0')
        p += 1
    exponent = (-exponent if small else exponent) + zeros - fraction
    if digits:
        if exponent < 0 or significant + exponent > 19:
            return 0
        digits *= power_of_ten(exponent)
    is_whole[0] = digits <= limit
    return <int64_t>(0 - digits) if negative else <int64_t>digits
