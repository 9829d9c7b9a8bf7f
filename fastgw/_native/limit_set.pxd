from libc.stdint cimport int32_t, int64_t
from fastgw._native.counter_map cimport CounterMap
from fastgw._native.limit_levels cimport Check, Look, Past

cdef enum:
    MAX_CHECKS = 64

cpdef enum:
    REQUESTS = 0               # a bucket that a call takes one from
    TOKENS = 1                 # a bucket that it takes its tokens from
    CONCURRENT = 2             # a number of slots
    MONEY = 3                  # what may be spent until `until_ns`
    PAUSE = 4                  # a moment until which nobody gets through, or one call a period does
    COUNTS = 0                 # a rule that never refuses
    ENFORCES = 1
    SOFT = 2                   # refuses only when no other of its group has room

cdef class LimitSet:
    cdef Check* _checks
    cdef Past* _past
    cdef int _past_count
    cdef readonly int checks
    cdef int _holds            # how many of them hold something while a call runs
    cdef bint _settles         # whether any must be told how a call ended

cdef class Refusal:
    cdef readonly int index
    cdef readonly bint full
    cdef readonly int64_t used
    cdef readonly int64_t held
    cdef readonly int64_t wait_ns
    cdef readonly int64_t room_nano_usd

cdef class Reservation:
    cdef WorkerCounters _counters
    cdef LimitSet _set
    cdef int64_t _tokens
    cdef int32_t _held[MAX_CHECKS]
    cdef readonly bint settled
    cdef readonly int64_t nano_usd
    cdef readonly int64_t requests_limit
    cdef readonly int64_t requests_remaining
    cdef readonly int64_t requests_reset_ns
    cdef readonly int64_t tokens_limit
    cdef readonly int64_t tokens_remaining
    cdef readonly int64_t tokens_reset_ns
    cpdef bint grow(self, int64_t nano_usd, int64_t now_ns) except -1
    cpdef object settle(self, int64_t tokens, int64_t nano_usd, int64_t now_ns)

cdef class WorkerCounters:
    cdef CounterMap _map
    cdef int _worker
    cdef readonly int64_t life
    cdef int32_t* _free
    cdef int _free_count
    cdef void _find_free(self) noexcept
    cdef void _look(self, LimitSet limits, Look* looks, int64_t tokens, int64_t nano_usd, int64_t now_ns) noexcept
    cdef bint _refuse(self, Refusal found, LimitSet limits, Look* looks, int64_t tokens, int64_t now_ns) noexcept
    cdef void _take(self, Reservation taken, Look* looks, int64_t call, int64_t now_ns) noexcept
    cpdef object reserve(self, LimitSet limits, int64_t call, int64_t tokens, int64_t nano_usd, int64_t now_ns)
