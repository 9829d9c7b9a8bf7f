from fastgw._native.http_body cimport BodyReader
from fastgw._native.http_head cimport RequestHead
from fastgw._native.lane cimport Lane, Wait
from fastgw._native.timers cimport Timer, TimerWheel

cdef class Exchange

cdef class ClientPort:
    cdef dict _routes
    cdef object _handle
    cdef object _refuse
    cdef object _hand_over
    cdef object _on_crash
    cdef TimerWheel _wheel
    cdef set _connections
    cdef Py_ssize_t _max_head_bytes
    cdef int _max_headers
    cdef long long _max_body_bytes
    cdef Py_ssize_t _max_connections
    cdef long long _head_timeout_ns
    cdef long long _body_timeout_ns
    cdef long long _keep_alive_ns
    cdef long long _write_timeout_ns
    cdef readonly bint closing
    cdef readonly long long refused

cdef class ClientSide(Timer):
    # The side of a client connection that its exchange uses; the connection itself is the subclass.
    cdef ClientPort _port
    cdef object _transport
    cdef Exchange _exchange
    cdef bint _ended                # the client will send no more
    cdef bint _slow                 # the transport's buffer is above its high-water mark
    cdef object keep(self, bytes data)
    cdef object close(self)         # what is written still goes out
    cdef object cut(self)           # at once; an answer that is not whole does not look so
    cdef object answered(self, Exchange exchange)

cdef class Exchange:
    cdef ClientSide _conn
    cdef readonly RequestHead head
    cdef readonly object endpoint
    cdef readonly long long received_ns
    cdef BodyReader _reader
    cdef Lane _lane
    cdef Wait _wait
    cdef unsigned char* _buffer
    cdef Py_ssize_t _buffer_bytes
    cdef Py_ssize_t _capacity_bytes
    cdef bytes _body
    cdef object _body_error
    cdef bint _wants_body
    cdef bint _wants_room
    cdef bint _chunked
    cdef bint _ends_by_close
    cdef readonly bint started
    cdef readonly bint finished
    cdef readonly bint gone
    cdef readonly long long sent_bytes
    cdef Py_ssize_t _feed(self, bytes data, Py_ssize_t at) except -1
    cdef Py_ssize_t _body_came(self, bytes data, Py_ssize_t end) except -1
    cdef object _reserve(self, Py_ssize_t size)
    cdef object _body_failed(self, error)
    cpdef bytes take_whole(self)
    cpdef object reply(self, bytes data)
    cpdef object send(self, bytes data)
    cdef bint _keeps_alive(self) noexcept
    cdef int _require(self, bint in_order) except -1
    cdef object _client_gone(self)
