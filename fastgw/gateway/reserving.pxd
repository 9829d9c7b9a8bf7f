cimport cython

from fastgw._native.limit_lines cimport reservation_lines
from fastgw._native.limit_set cimport Refusal, WorkerCounters
from fastgw.dialects.request cimport RequestFacts
from fastgw.domain.subject cimport Subject
from fastgw.gateway.context cimport Call
from fastgw.gateway.limiting cimport Limiter
from fastgw.gateway.snapshot cimport Route
from fastgw.spend.estimate cimport estimate_tokens


@cython.locals(
    subject=Subject, now_ns=cython.longlong, input_tokens=cython.longlong,
    output_tokens=cython.longlong, cap_tokens=cython.longlong
)
cpdef long long reserve(
    Call call, WorkerCounters counters, Limiter limiter, Route route, RequestFacts facts, str user, dict metadata,
    long long default_output_tokens, bytes body
) except -1
cdef tuple _ceilings(object price, RequestFacts facts, bytes body, object governing, long long now_ns)
