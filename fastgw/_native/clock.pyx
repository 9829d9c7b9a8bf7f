# The two clocks, for compiled callers that must not pay for a Python number at each look, and the moment that a request id names.
from fastgw._native cimport timers

cdef extern from "<time.h>" nogil:
    enum: CLOCK_REALTIME

cdef enum:
    SLOT_BITS = 10

ID_SLOT_BITS = SLOT_BITS


cpdef long long monotonic_ns() noexcept:
    return timers.monotonic_ns()


cpdef long long wall_ns() noexcept:
    cdef timers.timespec now
    timers.clock_gettime(CLOCK_REALTIME, &now)
    return <long long>now.tv_sec * 1000000000 + now.tv_nsec


cpdef long long unix_ns_of(long long request_id) noexcept:
    return (request_id >> SLOT_BITS) * 1000
