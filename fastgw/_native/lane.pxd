cdef class Lane

cdef class Wait:
    cdef Lane _sleeper       # the lane that sleeps here, or None
    cdef bint _ready
    cdef object _value
    cdef object _error
    cdef bint sleeping(self) noexcept
    cdef object wake(self, value)
    cdef object wake_error(self, error)
    cdef Wait reset(self)

cdef class Lane:
    cdef object _coroutine
    cdef object _future      # the asyncio future it sleeps on, or None
    cdef Wait _wait          # the native wait it sleeps on, or None
    cdef object _cancelled   # an exception to throw in as soon as it sleeps
    cdef object _on_crash
    cdef bint _running
    cdef readonly bint done
    cdef object _step(self, object error)
    cdef object _end(self)
    cpdef object cancel(self, error)
