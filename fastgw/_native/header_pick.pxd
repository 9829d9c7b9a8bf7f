from fastgw._native.http_head cimport MessageHead

cdef enum:
    MAX_PICKED = 16

cdef class HeaderPick:
    cdef tuple _names
    cdef const char* _texts[MAX_PICKED]
    cdef int _sizes[MAX_PICKED]
    cdef int _count
    cpdef tuple pick(self, MessageHead head)

cpdef str visible_text(bytes value, Py_ssize_t max_bytes)
