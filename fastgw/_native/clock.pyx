# The two clocks, for compiled callers that must not pay for a Python number at each look.
from fastgw._native cimport timers

cdef extern from "<time.h>" nogil:
    enum: CLOCK_REALTIME


cpdef long long monotonic_ns() noexcept:
    return timers.monotonic_ns()


cpdef long long wall_ns() noexcept:
    cdef timers.timespec now
    timers.clock_gettime(CLOCK_REALTIME, &now)
    return <long long>now.tv_sec * 1000000000 + now.tv_nsec
