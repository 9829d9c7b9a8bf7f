cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    struct timespec:
        time_t tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec* out)
    enum: CLOCK_BOOTTIME

cdef inline long long monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_BOOTTIME, &now)
    return <long long>now.tv_sec * 1000000000 + now.tv_nsec

cdef class TimerWheel

cdef class Timer:
    cdef long long _deadline_ns      # 0: not armed
    cdef long long _slot_tick        # the tick it is listed under; meaningful while _wheel is set
    cdef void* _wheel                # the wheel it is listed in, or NULL; borrowed, see timers.pyx
    cdef void* _previous
    cdef void* _next
    cdef void arm(self, TimerWheel wheel, long long deadline_ns) noexcept
    cdef void disarm(self) noexcept
    cdef void unlist(self) noexcept
    cdef object expired(self, long long now_ns)

cdef class TimerWheel:
    cdef void** _slots
    cdef readonly long long tick_ns
    cdef readonly Py_ssize_t listed
    cdef long long _next_tick
    cdef object _loop
    cdef object _handle
    cdef void _list(self, Timer timer) noexcept
    cdef object _wake(self)
    cdef int _empty(self, long long tick, long long now_ns) except -1
    cpdef int advance(self, long long now_ns) except -1
