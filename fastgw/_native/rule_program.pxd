cdef class RuleProgram:
    cdef readonly int rules
    cdef Py_ssize_t _row_bytes
    cdef tuple _names
    cdef list _known           # a dict for each name, and the last for moments: a value to its row
    cdef object _learn
    cdef readonly bint timed
    cdef bytes _row(self, int slot, object value)
    cpdef bytes match(self, bytes base, dict metadata, object minute=*)
