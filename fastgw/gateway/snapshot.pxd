from fastgw._native.http_write cimport HeaderFilter
from fastgw.identity.table cimport KeyTable
from fastgw.spend.learned cimport Learned

cdef class AccountRoute:
    cdef readonly object account
    cdef readonly object endpoint
    cdef readonly bytes fixed_lines
    cdef readonly tuple default_headers
    cdef readonly HeaderFilter request_filter
    cdef readonly HeaderFilter response_filter

cdef class Route:
    cdef readonly str name
    cdef readonly str model
    cdef readonly bytes model_json
    cdef readonly str provider
    cdef readonly str region
    cdef readonly AccountRoute via
    cdef readonly bytes path
    cdef readonly bytes cap_member
    cdef readonly object price
    cdef readonly Learned learned
    cdef readonly bytes model_line

cdef class Snapshot:
    cdef readonly object version
    cdef readonly KeyTable keys
    cdef readonly object aliases
    cdef readonly object limiter
    cdef readonly long long drain_ns
    cdef readonly long long drain_bytes
    cdef object _accounts
    cdef object _pricing
    cdef object _learned
    cdef dict _memo
    cpdef Route route(self, str alias, str operation)
