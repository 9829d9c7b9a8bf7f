from fastgw._native.json_scan cimport MemberSpans, MemberTable

cpdef MemberSpans scan_tail(bytes body, MemberTable table)
