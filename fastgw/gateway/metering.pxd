from fastgw._native.count_scan cimport CountTable
from fastgw._native.json_scan cimport MemberSpans, MemberTable, scan_object
from fastgw._native.json_tail cimport scan_tail
from fastgw._native.ledger_record cimport LedgerRecord
from fastgw._native.sse_split cimport SseTap

cdef MemberTable _USAGE
cdef dict _PLAIN
cpdef object fill_row(str operation, bytes body, LedgerRecord row)

cdef class StreamMeter:
    cdef object _anthropic
    cdef str _operation
    cdef tuple _reading
    cdef SseTap _tap
    cdef public bint ended
    cdef public bint error_seen
    cdef readonly long long open_block
    cdef public object service_tier
    cpdef bytes feed(self, bytes chunk)
