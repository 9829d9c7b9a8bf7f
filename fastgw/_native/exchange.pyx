# The exchange: one request of the fast lane and its answer, as the coroutine in the lane sees them.
#
# Also what a client connection and its exchange share: the port's settings and the side of the connection an exchange may use.
# Invariant: an answer is written once; after `finished` or `gone` every writing call is a no-op.
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc
from fastgw._native.http_body cimport BodyReader
from fastgw._native.http_head cimport RequestHead
from fastgw._native.http_write cimport frame_chunk
from fastgw._native.lane cimport Wait
from fastgw._native.timers cimport Timer, TimerWheel, monotonic_ns

from socket import SO_LINGER, SOL_SOCKET

from fastgw._native.errors import ClientGone, HttpLimitError, HttpSyntaxError

cdef enum:
    FIRST_BODY_BYTES = 65536

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
# struct linger {on, 0 s}: an answer that ends by closing must not end cleanly
RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"


@cython.final
cdef class ClientPort:
    def __cinit__(
        self, *, dict routes, handle, refuse, hand_over, on_crash, TimerWheel wheel, Py_ssize_t max_head_bytes, int max_headers,
        long long max_body_bytes, Py_ssize_t max_connections, long long head_timeout_ns, long long body_timeout_ns,
        long long keep_alive_ns, long long write_timeout_ns,
    ):
        self._routes = routes
        self._handle = handle
        self._refuse = refuse
        self._hand_over = hand_over
        self._on_crash = on_crash
        self._wheel = wheel
        self._connections = set()
        self._max_head_bytes = max_head_bytes
        self._max_headers = max_headers
        self._max_body_bytes = max_body_bytes
        self._max_connections = max_connections
        self._head_timeout_ns = head_timeout_ns
        self._body_timeout_ns = body_timeout_ns
        self._keep_alive_ns = keep_alive_ns
        self._write_timeout_ns = write_timeout_ns

    @property
    def connections(self):
        return len(self._connections)

    @property
    def in_flight(self):
        cdef ClientSide connection
        cdef Py_ssize_t count = 0
        for connection in self._connections:
            count += connection._exchange is not None
        return count

    def drain(self):
        cdef ClientSide connection
        self.closing = True
        for connection in list(self._connections):
            if connection._exchange is None and connection._transport is not None:
                connection.close()

    def abort(self):
        cdef ClientSide connection
        for connection in list(self._connections):
            if connection._transport is not None:
                connection.cut()


cdef class ClientSide(Timer):
    cdef object keep(self, bytes data):
        return None

    cdef object close(self):
        return None

    cdef object cut(self):
        # A plain abort lets out what the kernel has and ends with it as a whole answer would that runs until the connection closes.
        cdef Exchange exchange = self._exchange
        if self._transport.get_write_buffer_size() or (
            exchange is not None and exchange.started and not exchange._chunked
        ):
            sock = self._transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
        self._transport.abort()

    cdef object answered(self, Exchange exchange):
        return None


@cython.final
@cython.freelist(128)
cdef class Exchange:
    def __cinit__(self, ClientSide conn, RequestHead head, endpoint):
        self._conn = conn
        self.head = head
        self.endpoint = endpoint
        self.received_ns = monotonic_ns()
        self._reader = BodyReader.of(head, False, False, conn._port._max_body_bytes)
        self._wait = Wait()
        if self._reader.done:
            self._body = b""

    def __dealloc__(self):
        free(self._buffer)

    # --- the request's body ---------------------------------------------------------------------------------------------------

    cpdef bytes take_whole(self):
        return self._body

    def body(self):
        self._wait.reset()
        if self._body is not None:
            self._wait.wake(self._body)
        elif self._body_error is not None:
            self._wait.wake_error(self._body_error)
        elif self.gone:
            self._wait.wake_error(ClientGone())
        else:
            self._wants_body = True
            if self.head.expect_continue and self._reader.received_bytes == 0 and not self.started:
                self._conn._transport.write(CONTINUE)
            self._conn.arm(self._conn._port._wheel, self.received_ns + self._conn._port._body_timeout_ns)
        return self._wait

    cdef object _reserve(self, Py_ssize_t size):
        cdef Py_ssize_t capacity = self._capacity_bytes or FIRST_BODY_BYTES
        cdef unsigned char* grown
        while capacity < size:
            capacity *= 2
        if capacity > self._capacity_bytes:
            grown = <unsigned char*>realloc(self._buffer, capacity)
            if grown == NULL:
                raise MemoryError()
            self._buffer = grown
            self._capacity_bytes = capacity

    cdef Py_ssize_t _feed(self, bytes data, Py_ssize_t at) except -1:
        # Returns where in `data` what does not belong to this body, or is not kept yet, begins.
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data) - at
        cdef Py_ssize_t consumed
        cdef Py_ssize_t payload = 0
        cdef const unsigned char* source = <const unsigned char*>PyBytes_AS_STRING(data) + at
        if self._body is not None or size == 0:
            return at
        if not self._buffer_bytes and not self.head.chunked and size >= self.head.content_length:
            self._body = PyBytes_FromStringAndSize(<const char*>source, self.head.content_length)
            return self._body_came(data, at + self.head.content_length)
        self._reserve(self._buffer_bytes + size)
        try:
            consumed = self._reader.feed(source, size, self._buffer + self._buffer_bytes, &payload)
        except (HttpSyntaxError, HttpLimitError) as error:
            if self._lane is None:
                raise
            self._body_failed(error)
            return PyBytes_GET_SIZE(data)
        self._buffer_bytes += payload
        if not self._reader.done:
            return PyBytes_GET_SIZE(data)
        self._body = PyBytes_FromStringAndSize(<const char*>self._buffer, self._buffer_bytes)
        free(self._buffer)
        self._buffer = NULL
        self._capacity_bytes = 0
        return self._body_came(data, at + consumed)

    cdef Py_ssize_t _body_came(self, bytes data, Py_ssize_t end) except -1:
        # Whoever waits for it runs from here and may answer: what stands behind the body must be in its place before.
        if not self._wants_body:
            return end
        self._wants_body = False
        self._conn.disarm()
        if end < PyBytes_GET_SIZE(data):
            self._conn.keep(data[end:])
        self._wait.wake(self._body)
        return PyBytes_GET_SIZE(data)

    cdef object _body_failed(self, error):
        self._body_error = error
        self._conn.disarm()
        if self._wants_body:
            self._wants_body = False
            self._wait.wake_error(error)

    # --- the answer -----------------------------------------------------------------------------------------------------------

    @property
    def keep_alive(self):
        return self._keeps_alive()

    cdef bint _keeps_alive(self) noexcept:
        cdef ClientSide conn = self._conn
        return (
            self._body is not None and self.head.keep_alive and not self._ends_by_close and not conn._ended
            and not conn._port.closing
        )

    @property
    def slow(self):
        return self._conn._slow

    def room(self):
        self._wait.reset()
        if self._conn._slow and not self.gone:
            self._wants_room = True
        else:
            self._wait.wake(None)
        return self._wait

    cpdef object reply(self, bytes data):
        if self.finished or self.gone:
            return
        self._require(not self.started)
        self.started = True
        self.finished = True
        self.sent_bytes += PyBytes_GET_SIZE(data)
        self._conn._transport.write(data)
        self._conn.answered(self)

    def start(self, bytes head, bint chunked, bint ends_by_close=False):
        if self.finished or self.gone:
            return
        self._require(not self.started)
        self.started = True
        self._chunked = chunked
        self._ends_by_close = ends_by_close
        self._conn._transport.write(head)

    cpdef object send(self, bytes data):
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        if self.gone or self.finished or size == 0:
            return
        self._require(self.started)
        self.sent_bytes += size
        if self._chunked:
            data = frame_chunk(<const unsigned char*>PyBytes_AS_STRING(data), size)
        self._conn._transport.write(data)

    def finish(self):
        if self.gone or self.finished:
            return
        self._require(self.started)
        self.finished = True
        if self._chunked:
            self._conn._transport.write(LAST_CHUNK)
        self._conn.answered(self)

    cdef int _require(self, bint in_order) except -1:
        # An answer inside another, or none where one is due, would make the client take the next request's answer for this one's.
        if not in_order:
            raise RuntimeError("an answer begins once, goes on and ends")
        return 0

    def abort(self):
        if self.gone or self.finished:
            return
        self.finished = True
        if self._chunked or not self.started:
            self._conn.close()           # what is written still goes out; the missing last chunk says that it is not all
        else:
            self._conn.cut()

    def _crashed(self, error):
        self._conn._port._on_crash(error)
        self.abort()

    cdef object _client_gone(self):
        self.gone = True
        if not self.finished and self._lane is not None:
            self._lane.cancel(ClientGone())
