from fastgw._native.journal cimport JournalWriter
from fastgw._native.ledger_record cimport LedgerRecord

cdef class Recorder:
    cdef JournalWriter _writer
    cdef object _max_buffer_bytes
    cdef object _waiting
    cdef object _waiting_bytes
    cdef public object lost_records
    cdef public object durable
    cpdef object opened(self, LedgerRecord entry)
    cpdef object settled(self, LedgerRecord entry)
    cdef object _keep(self, int kind, LedgerRecord entry)
