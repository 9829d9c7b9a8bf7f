from libc.stdint cimport int64_t
from fastgw._native.ledger_record cimport LedgerRecord

cdef enum:
    UNITS = 12                 # the common units of `domain.usage` in their order, and the call itself
    WRITE = 3
    WRITE_5M = 4
    WRITE_1H = 5
    MAX_TIERS = 4

cdef class PriceSum:
    cdef int64_t _above_input_tokens[MAX_TIERS]
    cdef int64_t _weights[MAX_TIERS][UNITS]
    cdef int _tiers
    cdef bint _knows_5m
    cdef int64_t _ratio
    cdef int64_t _divisor
    cdef int64_t _from_ns
    cdef int64_t _until_ns
    cdef str _version
    cpdef bint charge(self, LedgerRecord row) except -1
