cimport cython

from fastgw._native.ledger_record cimport LedgerRecord
from fastgw._native.json_scan cimport fingerprint64
from fastgw._native.limit_set cimport WorkerCounters
from fastgw.dialects.request cimport RequestFacts
from fastgw.domain.subject cimport Subject
from fastgw.gateway.context cimport Call
from fastgw.gateway.snapshot cimport Route

cdef class Admission:
    cdef readonly LedgerRecord entry
    cdef readonly Route route
    cdef readonly bytes body
    cdef readonly bint streaming
    cdef readonly bint hide_usage
    cdef readonly str service_tier

cdef tuple SAID_NOTHING
cdef frozenset _CAN_ANSWER_TEXT


@cython.locals(output_tokens=cython.longlong, cap_tokens=cython.longlong)
cpdef Admission decide(Call call, Subject subject, tuple said, bytes body, long long started_ns, WorkerCounters counters)
cpdef LedgerRecord refused_entry(Call call, Subject subject, long long started_ns)
cdef Route _allowed_route(Call call, Subject subject, str alias)
