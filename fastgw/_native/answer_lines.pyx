# The header lines that the gateway adds to an answer, in one allocation.
#
# Invariant: every value is printable ASCII by its type or by who made it (the request id is checked where it is taken).
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.string cimport memcpy

cdef enum:
    NUMBER_BYTES = 160         # room for all lines but the request id and the model

cdef long long NANO_PER_USD = 1_000_000_000

UNPRICED = -1
UNTOLD = -2


cdef inline char* put_text(char* out, const char* text, int size) noexcept nogil:
    memcpy(out, text, size)
    return out + size


cdef char* put_number(char* out, long long number) noexcept nogil:
    # number >= 0
    cdef char digits[20]
    cdef int at = 20
    while at == 20 or number:
        at -= 1
        digits[at] = <char>(c"0" + number % 10)
        number //= 10
    return put_text(out, &digits[at], 20 - at)


cdef char* put_usd(char* out, long long nano_usd) noexcept nogil:
    # Exact decimal without trailing zeros: 1500 is 0.0000015.
    cdef long long fraction = nano_usd % NANO_PER_USD
    cdef int at
    out = put_number(out, nano_usd // NANO_PER_USD)
    if fraction == 0:
        return out
    out[0] = c"."
    for at in range(9, 0, -1):
        out[at] = <char>(c"0" + fraction % 10)
        fraction //= 10
    out += 10
    while (out - 1)[0] == c"0":
        out -= 1
    return out


cpdef bytes answer_lines(str request_id, bytes model_line, long long cost_nano_usd, int attempts, long long overhead_us):
    # cost_nano_usd: UNPRICED, UNTOLD (no line), or a cost. The numbers are not negative.
    cdef Py_ssize_t id_size
    cdef const char* id_text = PyUnicode_AsUTF8AndSize(request_id, &id_size)
    cdef Py_ssize_t model_size = PyBytes_GET_SIZE(model_line)
    cdef char numbers[NUMBER_BYTES]
    cdef char* at = numbers
    cdef bytes lines
    cdef char* out
    if cost_nano_usd == -1:
        at = put_text(at, b"x-fastgw-cost-usd: unpriced\r\n", 29)
    elif cost_nano_usd >= 0:
        at = put_text(at, b"x-fastgw-cost-usd: ", 19)
        at = put_text(put_usd(at, cost_nano_usd), b"\r\n", 2)
    at = put_text(at, b"x-fastgw-attempts: ", 19)
    at = put_text(put_number(at, max(attempts, 0)), b"\r\nx-fastgw-overhead-us: ", 24)
    at = put_text(put_number(at, max(overhead_us, 0)), b"\r\n", 2)
    lines = PyBytes_FromStringAndSize(NULL, 14 + id_size + 2 + model_size + (at - numbers))
    out = PyBytes_AS_STRING(lines)
    memcpy(out, b"x-request-id: ", 14)
    memcpy(out + 14, id_text, id_size)
    memcpy(out + 14 + id_size, b"\r\n", 2)
    out += 16 + id_size
    memcpy(out, PyBytes_AS_STRING(model_line), model_size)
    memcpy(out + model_size, numbers, at - numbers)
    return lines
