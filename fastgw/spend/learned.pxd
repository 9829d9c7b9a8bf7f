cimport cython

cdef double _FALL

cdef class Learned:
    cdef double _bound
    cdef double _input
    cdef double _output
    cpdef long long input_tokens(self, long long text_bytes) except -1
    cpdef long long output_text_bytes(self, long long tokens) except -1
    cpdef object see_input(self, long long text_bytes, long long tokens)
    cpdef object see_output(self, long long text_bytes, long long tokens)
    cpdef object see_unbounded(self, long long tokens)

cdef double _risen(double known, double seen) noexcept
