cimport cython

from fastgw._native.clock cimport unix_ns_of
from fastgw._native.ledger_record cimport LedgerRecord
from fastgw._native.limit_lines cimport reservation_lines
from fastgw._native.limit_set cimport Refusal, WorkerCounters
from fastgw.dialects.request cimport RequestFacts
from fastgw.gateway.context cimport Call
from fastgw.gateway.limiting cimport Limiter
from fastgw.gateway.snapshot cimport Route


@cython.locals(
    limiter=Limiter, now_ns=cython.longlong, input_tokens=cython.longlong, output_tokens=cython.longlong,
    cap_tokens=cython.longlong, is_clamped=cython.bint, tries=cython.int
)
cpdef long long reserve(
    Call call, WorkerCounters counters, Route route, RequestFacts facts, LedgerRecord entry
) except -1
cdef tuple _needs(Call call, Route route, RequestFacts facts, LedgerRecord entry, long long now_ns)
cdef object _fixed(LedgerRecord entry)
cdef long long _most_input_tokens(RequestFacts facts) except -1
cdef tuple _ceilings(Route route, RequestFacts facts, object governing, long long now_ns)
