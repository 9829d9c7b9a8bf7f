cdef class KeyTable:
    cdef readonly dict _known
    cdef readonly dict _subjects
    cpdef object identify(self, tuple presented)
