cdef class ModelGlobs:
    cdef readonly tuple patterns
    cdef bint _all
    cdef object _match
    cdef readonly dict _memo
    cpdef bint allow(self, str name) except -1

cdef class Subject:
    cdef readonly str key
    cdef readonly str user
    cdef readonly str team
    cdef readonly dict metadata
    cdef readonly ModelGlobs models
    cpdef bint may_use(self, str alias) except -1
