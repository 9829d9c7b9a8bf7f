from fastgw._native.ledger_record cimport LedgerRecord
from fastgw._native.price_sum cimport PriceSum

cdef class TargetPrice:
    cdef readonly dict _active
    cdef readonly dict _sums
    cdef readonly dict _ceilings
    cdef tuple _layers
    cdef object _region
    cdef object _discount_millipercent
    cdef frozenset _tiers
    cpdef object charge(self, LedgerRecord row, object service_tier, object usage=*)
