from fastgw._native.exchange cimport ClientSide

cdef class ClientConn(ClientSide):
    cdef bytes _input               # bytes not yet parsed
    cdef int _state
    cdef bint _serving
    cdef bint _idle                 # nothing of the next head has come
    cdef bint _reading_paused
    cdef bint _resuming
    cdef int _probes
    cdef Py_ssize_t _discarded_bytes
    cdef long long _flush_deadline_ns
    cdef object _serve(self, bytes data)
    cdef object _refuse(self, int status, str message, bytes received)
    cdef object _linger(self)
    cdef object _go_on(self)
    cdef object _probe(self)
