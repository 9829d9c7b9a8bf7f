from fastgw._native.count_scan cimport CountTable
from fastgw._native.json_scan cimport MemberSpans, MemberTable, scan_object
from fastgw._native.json_tail cimport scan_tail
from fastgw._native.ledger_record cimport LedgerRecord

cdef MemberTable _USAGE
cdef dict _PLAIN
cpdef object fill_row(str operation, bytes body, LedgerRecord row)
