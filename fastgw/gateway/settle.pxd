cimport cython

from fastgw._native.ledger_record cimport LedgerRecord
from fastgw.gateway.admission cimport Admission
from fastgw.gateway.context cimport Call
from fastgw._native.clock cimport monotonic_ns, unix_ns_of
from fastgw.spend.learned cimport Learned

cpdef object open_(Call call, Admission admission, object recorder)
cpdef object complete(Call call, object recorder, int status, object usage, str source, object tier=*)
cpdef object complete_filled(Call call, LedgerRecord entry, object recorder, int status, object tier)


@cython.locals(received_ns=cython.longlong, latency_ns=cython.longlong, first_token_ns=cython.longlong)
cdef object _write_down(Call call, LedgerRecord entry, object recorder, int status, str source)


@cython.locals(learned=Learned)
cdef object _learn(Call call, LedgerRecord entry)
cdef object _itemise(LedgerRecord entry, object usage)
cpdef object abandoned(Call call, object recorder, int status, str code)
