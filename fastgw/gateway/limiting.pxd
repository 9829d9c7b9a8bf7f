from fastgw._native.rule_program cimport RuleProgram
from fastgw.domain.subject cimport Subject
from fastgw.gateway.context cimport Call
from fastgw.gateway.snapshot cimport Route

cdef class Limiter:
    cdef readonly dict _bases
    cdef long long _minute
    cdef long long _minute_at
    cdef tuple _names
    cdef readonly dict _remembered
    cdef tuple _rows
    cdef object _rules
    cdef bint _varies
    cdef object _zone
    cpdef object governing(
        self, Call call, Subject subject, str user, str alias, Route route, dict metadata, long long now_ns
    )
    cdef bytes _base(self, tuple who, Call call, Subject subject, Route route)
    cdef object _found(
        self, bytes row, tuple who, tuple tags, Call call, Subject subject, Route route, dict metadata, long long now_ns
    )
    cdef object _minute_of(self, long long now_ns)
