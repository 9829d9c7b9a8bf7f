# The connection to a client: requests of the fast lane one after the other, every other connection handed over whole.
#
# States: READING (head expected) -> SERVING (a lane runs) -> READING ..., LINGERING (answered, will close: input is thrown away so
# that the answer is not lost to a reset), HANDED (the slow lane owns the transport), CLOSED.
# Invariant: answers leave in the order of the requests; a pipelined request waits, bounded, until the one before it is answered.
cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE
from fastgw._native.exchange cimport ClientPort, ClientSide, Exchange
from fastgw._native.http_head cimport RequestHead, request_head
from fastgw._native.lane cimport Lane
from fastgw._native.timers cimport monotonic_ns

from fastgw._native.errors import DeadlineExceeded, HttpLimitError, HttpSyntaxError

cdef enum:
    READING = 0
    SERVING = 1
    LINGERING = 2
    HANDED = 3
    CLOSED = 4

cdef enum:
    PIPELINED_BYTES = 65536      # input kept behind the request in flight; more stops reading
    LINGER_BYTES = 1 << 20
    BODY_BYTES_PER_S = 16384     # a body may take its timeout plus a second for each of these
    MAX_PROBE_SHIFT = 6          # the wait between probes doubles up to 16 s

cdef long long LINGER_NS = 1_000_000_000
cdef long long PROBE_NS = 250_000_000

# After a client's half of the connection has ended nothing tells whether it still reads; an interim answer does: who has gone
# answers it with a reset, who only said all it had to say ignores it (RFC 9110, 15.2).
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"


@cython.final
cdef class ClientConn(ClientSide):
    def __cinit__(self, ClientPort port):
        self._port = port

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport):
        self._transport = transport
        if len(self._port._connections) >= self._port._max_connections:
            self._refuse(503, "too many connections", b"")
            return
        self._port._connections.add(self)
        self._idle = True
        self.arm(self._port._wheel, monotonic_ns() + self._port._head_timeout_ns)

    def data_received(self, bytes data):
        cdef Exchange exchange = self._exchange
        cdef Py_ssize_t at
        if self._state == LINGERING:
            self._discarded_bytes += PyBytes_GET_SIZE(data)
            if self._discarded_bytes > LINGER_BYTES:
                self.cut()
            return
        if exchange is None:
            if self._state != READING:
                return
            if self._slow:
                self.keep(data)      # who does not take its answers is not asked for more requests
                return
            if self._input is not None:
                data = self._input + data
                self._input = None
            self._serve(data)
            return
        at = 0
        if exchange._body is None and exchange._body_error is None:
            at = exchange._feed(data, 0)
            if self._exchange is not exchange:
                return               # the lane answered and went; what follows was read from _input or thrown away
        if at < PyBytes_GET_SIZE(data):
            self.keep(data[at:] if at else data)

    def eof_received(self):
        cdef Exchange exchange = self._exchange
        self._ended = True
        if self._transport is None:
            return False
        if exchange is None:
            self.close()
            return False
        if exchange._body is None:
            exchange._body_failed(HttpSyntaxError("the connection ended inside the request's body", 400))
        elif not exchange.started and exchange.head.minor_version == 1:
            self._probe()
        return True

    def connection_lost(self, exc):
        cdef Exchange exchange = self._exchange
        self._transport = None
        self._state = CLOSED
        self._exchange = None
        self._input = None
        self.disarm()
        self.unlist()
        self._port._connections.discard(self)
        if exchange is not None:
            exchange._client_gone()

    def pause_writing(self):
        self._slow = True
        self.arm(self._port._wheel, monotonic_ns() + self._port._write_timeout_ns)

    def resume_writing(self):
        cdef Exchange exchange = self._exchange
        self._slow = False
        if self._state == SERVING:
            self.disarm()
        elif self._state == READING:
            self._go_on()
        if exchange is not None and exchange._wants_room:
            exchange._wants_room = False
            exchange._wait.wake(None)

    # --- requests -------------------------------------------------------------------------------------------------------------

    cdef object _serve(self, bytes data):
        # Serves what is complete in `data`; a loop, not a recursion, however many small requests stand in it.
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t began_at = 0
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef RequestHead head
        cdef Exchange exchange
        cdef object endpoint
        cdef ClientPort port = self._port
        self._serving = True
        try:
            while self._state == READING and not self._slow:
                if at == size:
                    self.arm(port._wheel, monotonic_ns() + port._keep_alive_ns)
                    return
                began_at = at
                head = request_head(data, at, port._max_head_bytes, port._max_headers)
                if head is None:
                    if self._idle:
                        self._idle = False
                        self.arm(port._wheel, monotonic_ns() + port._head_timeout_ns)
                    self._input = data[at:] if at else data
                    return
                endpoint = port._routes.get(head.path)
                if endpoint is None or head.method != b"POST":
                    self._state = HANDED
                    self.disarm()
                    port._connections.discard(self)
                    port._hand_over(self._transport, data[at:] if at else data)
                    return
                exchange = Exchange(self, head, endpoint)
                at += head.size_bytes
                self._state = SERVING
                self._exchange = exchange
                self.disarm()
                at = exchange._feed(data, at)
                exchange._lane = Lane(exchange._crashed)
                exchange._lane.start(port._handle(exchange))
                if self._exchange is not None:
                    if at < size:
                        self.keep(data[at:])
                    return
            if self._state == READING and at < size:
                self.keep(data[at:])
        except (HttpSyntaxError, HttpLimitError) as error:
            self._exchange = None
            self._refuse(error.status, str(error), data[began_at:])
        finally:
            self._serving = False

    cdef object keep(self, bytes data):
        if self._state == LINGERING:
            return
        self._input = data if self._input is None else self._input + data
        if PyBytes_GET_SIZE(self._input) > PIPELINED_BYTES and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    cdef object answered(self, Exchange exchange):
        # The answer is written. The next request is read from here, never from inside this one's coroutine.
        if self._exchange is not exchange:
            return
        self._exchange = None
        if self._transport is None:
            return
        if not exchange._keeps_alive():
            self._linger()
            return
        self._state = READING
        self._idle = True
        if not self._slow and not self._serving:
            self._go_on()

    cdef object _go_on(self):
        if self._input is None:
            self.arm(self._port._wheel, monotonic_ns() + self._port._keep_alive_ns)
            return
        self.disarm()
        if not self._resuming:
            self._resuming = True
            self._port._wheel.call_soon(self._resume)

    def _resume(self):
        cdef bytes data = self._input
        self._resuming = False
        if self._state != READING or self._slow or data is None or self._transport.is_closing():
            return
        self._input = None
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        self._serve(data)

    cdef object _refuse(self, int status, str message, bytes received):
        self._port.refused += 1
        self._transport.write(self._port._refuse(status, message, received))
        self._linger()

    cdef object _linger(self):
        # Closing while unread input is in the kernel resets the connection and can take the answer with it (RFC 9112, 9.6).
        if self._ended or self._transport.is_closing() or not self._transport.can_write_eof():
            self.close()
            return
        self._state = LINGERING
        self._input = None
        self._transport.write_eof()
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        self._flush_deadline_ns = monotonic_ns() + self._port._write_timeout_ns
        self.arm(self._port._wheel, monotonic_ns() + LINGER_NS)

    cdef object close(self):
        self._state = LINGERING
        self._input = None
        self._transport.close()
        self._flush_deadline_ns = monotonic_ns() + self._port._write_timeout_ns
        self.arm(self._port._wheel, self._flush_deadline_ns)

    cdef object _probe(self):
        self._transport.write(PROCESSING)
        self.arm(self._port._wheel, monotonic_ns() + (PROBE_NS << self._probes))
        if self._probes < MAX_PROBE_SHIFT:
            self._probes += 1

    cdef object expired(self, long long now_ns):
        cdef Exchange exchange = self._exchange
        cdef long long allowed_ns
        if self._transport is None:
            return
        if self._state == LINGERING:
            if now_ns < self._flush_deadline_ns and self._transport.get_write_buffer_size():
                self.arm(self._port._wheel, min(now_ns + LINGER_NS, self._flush_deadline_ns))
            else:
                self.cut()
        elif self._slow:
            self.cut()
        elif exchange is None:
            if self._input is not None:
                self._refuse(408, "the request's head did not arrive in time", self._input)
            else:
                self.close()
        elif exchange._body is None:
            allowed_ns = exchange.received_ns + self._port._body_timeout_ns + (
                exchange._reader.received_bytes // BODY_BYTES_PER_S * 1_000_000_000)
            if now_ns < allowed_ns:
                self.arm(self._port._wheel, allowed_ns)
            else:
                exchange._body_failed(DeadlineExceeded("body"))
        elif self._ended and not exchange.started:
            self._probe()
