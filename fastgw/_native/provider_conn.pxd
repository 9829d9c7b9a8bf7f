from fastgw._native.http_body cimport BodyReader
from fastgw._native.http_head cimport ResponseHead
from fastgw._native.lane cimport Wait
from fastgw._native.timers cimport Timer, TimerWheel

cdef class ProviderConn(Timer)

cdef class ProviderPool:
    cdef TimerWheel _wheel
    cdef object _buffer             # the one read buffer of all connections of the pool: emptied before the read callback returns
    cdef list _idle
    cdef object _freed              # called after a connection went back or was lost
    cdef Py_ssize_t _max_idle
    cdef Py_ssize_t _max_head_bytes
    cdef int _max_headers
    cdef long long _max_body_bytes
    cdef long long _idle_connection_ns
    cdef long long _distrusted_until_ns
    cdef readonly Py_ssize_t open
    cpdef ProviderConn take_idle(self)
    cdef object _drop_idle(self)
    cdef object _distrust(self)
    cdef object _give_back(self, ProviderConn connection)

cdef class ProviderConn(Timer):
    cdef ProviderPool _pool
    cdef object _transport
    cdef int _state
    cdef int _wanted                # what the sleeper waits for
    cdef Py_ssize_t _body_limit_bytes
    cdef bytes _partial             # bytes of an incomplete head
    cdef readonly ResponseHead head
    cdef BodyReader _reader
    cdef list _chunks
    cdef Py_ssize_t _buffered_bytes
    cdef object _failure
    cdef Wait _wait
    cdef bint _answered             # a byte of the answer has arrived
    cdef bint _paused
    cdef bint _surplus              # bytes came after the end of the answer
    cdef readonly bint reused
    cdef long long _first_byte_deadline_ns
    cdef long long _idle_ns
    cdef long long _total_deadline_ns
    cpdef Wait headed(self)
    cpdef bytes take_whole(self, Py_ssize_t limit_bytes)
    cpdef object release(self)
    cpdef object send(
        self, bytes data, bytes rest, long long first_byte_ns, long long idle_ns, long long total_deadline_ns
    )
    cdef object _receive(self, const unsigned char* data, Py_ssize_t size)
    cdef object _spill(self)
    cdef Py_ssize_t _read_head(self, bytes data) except -1
    cdef object _read_body(self, const unsigned char* data, Py_ssize_t size)
    cdef object _fail(self, error)
    cdef object _unanswered(self)
    cdef object _deliver(self)
    cdef bytes _take(self)
    cdef object _arm_idle(self)
