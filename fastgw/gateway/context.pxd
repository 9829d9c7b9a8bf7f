from fastgw._native.exchange cimport Exchange
from fastgw._native.ledger_record cimport LedgerRecord
from fastgw._native.limit_set cimport Reservation
from fastgw._native.provider_conn cimport ProviderConn
from fastgw.domain.subject cimport Subject
from fastgw.gateway.snapshot cimport Route, Snapshot
from fastgw.spend.learned cimport Learned

cdef class Call:
    cdef public Exchange exchange
    cdef public Snapshot snapshot
    cdef public Subject subject
    cdef public ProviderConn answer
    cdef public object meter
    cdef public object price
    cdef public object governing
    cdef public object allowance
    cdef public Learned learned
    cdef public Route route
    cdef public bytes explained
    cdef public bint explains
    cdef public Reservation reservation
    cdef public bytes limit_lines
    cdef public str operation
    cdef public str dialect
    cdef public str request_id
    cdef public LedgerRecord entry
    cdef public long long id
    cdef public long long text_bytes
    cdef public long long sent_at_ns
    cdef public long long first_token_at_ns
    cdef public long long upstream_ns
    cdef public long long waited_from_ns
    cdef public bint in_events
    cdef public bint is_bounded
    cdef public bint settled
