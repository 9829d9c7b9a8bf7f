# The header lines that the gateway adds to an answer, in one allocation.
#
# Invariant: every value is printable ASCII by its type or by who made it (the request id is checked where it is taken).
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdio cimport snprintf
from libc.string cimport memcpy

cdef enum:
    NUMBER_BYTES = 160         # room for all lines but the request id and the model

cdef long long NANO_PER_USD = 1_000_000_000

UNPRICED = -1
UNTOLD = -2


cdef int cost_text(char* out, long long nano_usd) noexcept nogil:
    # Exact decimal without trailing zeros: 1500 is 0.0000015.
    cdef int size = snprintf(out, 48, b"%lld.%09lld", nano_usd // NANO_PER_USD, nano_usd % NANO_PER_USD)
    while out[size - 1] == c'0':
        size -= 1
    return size - 1 if out[size - 1] == c'.' else size


def answer_lines(str request_id, bytes model_line, long long cost_nano_usd, int attempts, long long overhead_us):
    cdef char numbers[NUMBER_BYTES]
    cdef char cost[48]
    cdef Py_ssize_t id_size
    cdef const char* id_text = PyUnicode_AsUTF8AndSize(request_id, &id_size)
    cdef Py_ssize_t model_size = PyBytes_GET_SIZE(model_line)
    cdef int size = 0
    cdef bytes lines
    cdef char* out
    if cost_nano_usd == -1:
        size = snprintf(numbers, NUMBER_BYTES, b"x-fastgw-cost-usd: unpriced\r\n")
    elif cost_nano_usd >= 0:
        size = cost_text(cost, cost_nano_usd)
        size = snprintf(numbers, NUMBER_BYTES, b"x-fastgw-cost-usd: %.*s\r\n", size, cost)
    size += snprintf(
        numbers + size, NUMBER_BYTES - size, b"x-fastgw-attempts: %d\r\nx-fastgw-overhead-us: %lld\r\n", attempts, overhead_us
    )
    lines = PyBytes_FromStringAndSize(NULL, 14 + id_size + 2 + model_size + size)
    out = PyBytes_AS_STRING(lines)
    memcpy(out, b"x-request-id: ", 14)
    memcpy(out + 14, id_text, id_size)
    memcpy(out + 14 + id_size, b"\r\n", 2)
    out += 16 + id_size
    memcpy(out, PyBytes_AS_STRING(model_line), model_size)
    memcpy(out + model_size, numbers, size)
    return lines
