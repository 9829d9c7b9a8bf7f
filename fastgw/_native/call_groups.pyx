# Sums over the rows of a batch, for the metrics: what a Python loop would take a microsecond a row for.
#
# Invariant: money is exact, whatever the rows; other sums wrap around at 64 bits, which only rows that were made up can reach.
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

cdef extern from "Python.h":
    PyObject* dict_item "PyDict_GetItemWithError"(dict found, object key) except? NULL

cdef enum:                     # places in a row: see `schema.call_values`
    STATUS = 2
    TOKENS = 4                 # the first of six counts of tokens
    TOKEN_UNITS = 6
    COST = 10                  # None: unpriced
    LATENCY = 11
    DIMENSION = 15
    MAX_BOUNDS = 31

cdef int64_t NANO_PER_USD = 1_000_000_000


cdef inline int64_t wrapped_sum(int64_t a, int64_t b) noexcept nogil:
    return <int64_t>(<uint64_t>a + <uint64_t>b)


@cython.final
cdef class CallGroup:
    cdef readonly int64_t calls
    cdef readonly int64_t unpriced
    cdef readonly int64_t latency_ns
    cdef int64_t _usd              # whole ones, so that no sum of costs is too large
    cdef int64_t _nano_usd
    cdef int64_t _tokens[TOKEN_UNITS]
    cdef int64_t _buckets[MAX_BOUNDS + 1]
    cdef int _bounds

    @property
    def nano_usd(self):
        return <object>self._usd * 1_000_000_000 + self._nano_usd

    @property
    def tokens(self):
        return [self._tokens[i] for i in range(TOKEN_UNITS)]

    @property
    def buckets(self):
        return [self._buckets[i] for i in range(self._bounds + 1)]


def group_calls(list rows not None, tuple bounds_ns not None):
    """Sums of the calls of each (dimension, status): see the stub."""
    cdef dict groups = {}
    cdef tuple row
    cdef object key
    cdef PyObject* known
    cdef CallGroup group
    cdef int64_t latency_ns, cost_nano_usd
    cdef int i
    cdef int bounds = <int>len(bounds_ns)
    cdef int64_t limits[MAX_BOUNDS]
    if bounds > MAX_BOUNDS:
        raise ValueError(f"bounds_ns: expected at most {MAX_BOUNDS}, got {bounds}")
    for i in range(bounds):
        limits[i] = bounds_ns[i]
    for row in rows:
        key = (row[DIMENSION], row[STATUS])
        known = dict_item(groups, key)
        if known == NULL:
            group = CallGroup.__new__(CallGroup)
            group._bounds = bounds
            groups[key] = group
        else:
            group = <CallGroup>known
        group.calls += 1
        for i in range(TOKEN_UNITS):
            group._tokens[i] = wrapped_sum(group._tokens[i], row[TOKENS + i])
        if row[COST] is None:
            group.unpriced += 1
        else:
            cost_nano_usd = row[COST]
            group._usd += cost_nano_usd // NANO_PER_USD
            group._nano_usd += cost_nano_usd % NANO_PER_USD
        latency_ns = row[LATENCY]
        group.latency_ns = wrapped_sum(group.latency_ns, latency_ns)
        i = 0
        while i < bounds and latency_ns > limits[i]:
            i += 1
        group._buckets[i] += 1
    return groups
