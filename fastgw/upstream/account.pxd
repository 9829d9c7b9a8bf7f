from fastgw._native.clock cimport monotonic_ns
from fastgw._native.provider_conn cimport ProviderConn, ProviderPool

cdef class ProviderAccount:
    cdef readonly object settings
    cdef readonly object _tls
    cdef readonly object _waiting
    cdef Py_ssize_t _opening
    cdef long long _first_byte_ns
    cdef long long _idle_ns
    cdef long long _total_ns
    cdef readonly ProviderPool _pool
    cpdef ProviderConn send_pooled(self, bytes head, bytes body)
