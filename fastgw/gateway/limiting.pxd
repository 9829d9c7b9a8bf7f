cimport cython

from fastgw._native.rule_program cimport RuleProgram

cdef class Remembered:
    cdef bytes base
    cdef readonly dict plans

cdef class Limiter:
    cdef readonly dict _memo
    cdef long long _minute
    cdef long long _minute_at
    cdef tuple _names
    cdef long long _plans
    cdef tuple _rows
    cdef object _rules
    cdef bint _varies
    cdef object _zone

    @cython.locals(known=Remembered)
    cpdef object governing(self, object fixed, dict metadata, long long now_ns)
    cdef object _plan(self, object fixed, bytes row, dict metadata, long long now_ns)
    cdef object _bound(self)
    cdef object _minute_of(self, long long now_ns)
