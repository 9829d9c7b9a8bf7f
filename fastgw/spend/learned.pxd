cimport cython

cdef double _FALL
cdef double _FEWEST
cdef double _MOST
cdef long long _MAX_TOKENS
cdef long long _DEFAULT_TOKENS
cdef long long _MIN_BYTES

cdef class Learned:
    cdef double _bound
    cdef double _input
    cdef double _output
    cpdef long long input_tokens(self, long long text_bytes) except -1
    cpdef long long output_text_bytes(self, long long tokens) except -1
    cpdef long long output_tokens(self) except -1
    cpdef object see_input(self, long long text_bytes, long long tokens)
    cpdef object see_output(self, long long text_bytes, long long tokens)
    cpdef object see_unbounded(self, long long tokens)


@cython.locals(whole=cython.longlong)
cdef long long _whole(double tokens) except -1
cdef double _risen(double known, double seen) noexcept
