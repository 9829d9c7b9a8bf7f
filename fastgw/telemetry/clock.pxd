cimport cython

cdef long long _SLOTS

cdef class RequestIds:
    cdef long long _base_ns
    cdef long long _last
    cdef long long _slot

    @cython.locals(new=cython.longlong)
    cpdef long long next(self, long long now_ns) except -1
