# The connection to a provider: one request at a time, its answer handed to the one coroutine that waits for it.
#
# States: IDLE (in the pool) -> SENT (request written) -> BODY (head read) -> ENDED (whole answer read) -> IDLE again, or CLOSED.
# Invariant: a connection goes back to the pool only after a whole answer, with nothing left over and nothing left to write.
# Bytes that arrive in IDLE close it: an answer nobody asked for must never meet the next request. They may also come too late for
# that, so who once answers more than was asked is not trusted with a second request on a connection for a while.
cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from fastgw._native.http_body cimport BodyReader
from fastgw._native.http_grammar cimport behind_head, is_timeout
from fastgw._native.http_head cimport ResponseHead, response_head
from fastgw._native.lane cimport Wait
from fastgw._native.timers cimport Timer, TimerWheel, monotonic_ns

from fastgw._native.errors import ConnectionLost, DeadlineExceeded, HttpLimitError, HttpSyntaxError

cdef enum:
    IDLE = 0
    SENT = 1
    BODY = 2
    ENDED = 3
    CLOSED = 4

cdef enum:
    WANTS_NOTHING = 0
    WANTS_HEAD = 1
    WANTS_CHUNK = 2
    WANTS_BODY = 3

cdef long long DISTRUST_NS = 60_000_000_000

cdef enum:
    READ_BYTES = 65536       # one read; with as much unread again, what a stalled stream holds on this side


@cython.final
cdef class ProviderPool:
    def __cinit__(
        self, TimerWheel wheel, *, Py_ssize_t max_idle=100, long long idle_connection_ns=60_000_000_000,
        Py_ssize_t max_head_bytes=65536, int max_headers=256, long long max_body_bytes=1 << 40, freed=None,
    ):
        self._wheel = wheel
        self._buffer = bytearray(READ_BYTES)
        self._idle = []
        self._freed = freed
        self._max_idle = max_idle
        self._idle_connection_ns = idle_connection_ns
        self._max_head_bytes = max_head_bytes
        self._max_headers = max_headers
        self._max_body_bytes = max_body_bytes

    @property
    def idle(self):
        return len(self._idle)

    cpdef ProviderConn take_idle(self):
        cdef ProviderConn connection
        while self._idle:
            connection = <ProviderConn>self._idle.pop()
            if connection._state == IDLE:
                connection.disarm()
                connection.reused = True
                return connection
        return None

    def connection(self):
        return ProviderConn(self)

    def close(self):
        self._max_idle = 0
        self._drop_idle()

    cdef object _drop_idle(self):
        cdef ProviderConn connection
        idle = self._idle
        self._idle = []
        for connection in idle:
            connection.abort()

    cdef object _distrust(self):
        # Who answered more than was asked may do so again, when the connection is another client's already.
        self._distrusted_until_ns = monotonic_ns() + DISTRUST_NS
        self._drop_idle()

    cdef object _give_back(self, ProviderConn connection):
        cdef long long now_ns = monotonic_ns()
        if len(self._idle) >= self._max_idle or now_ns < self._distrusted_until_ns:
            connection.abort()
            return
        connection._state = IDLE
        connection.arm(self._wheel, now_ns + self._idle_connection_ns)
        self._idle.append(connection)
        if self._freed is not None:
            self._freed()


@cython.final
cdef class ProviderConn(Timer):
    def __cinit__(self, ProviderPool pool):
        self._pool = pool
        self._state = IDLE
        self._chunks = []
        self._wait = Wait()

    # --- asyncio.BufferedProtocol ---------------------------------------------------------------------------------------------

    def connection_made(self, transport):
        self._transport = transport
        self._pool.open += 1

    def get_buffer(self, sizehint):
        return self._pool._buffer

    def buffer_updated(self, Py_ssize_t nbytes):
        self._receive(<const unsigned char*>PyByteArray_AS_STRING(self._pool._buffer), nbytes)

    def eof_received(self):
        if self._state == BODY:
            try:
                self._reader.finish_at_eof()
            except HttpSyntaxError:
                self._fail(ConnectionLost("the provider ended the connection inside its answer"))
                return False
            self._state = ENDED
            self._surplus = True     # the connection is spent
            self.disarm()
            self._deliver()
        elif self._state == SENT:
            self._unanswered()
        elif self._state == IDLE:
            self.abort()
        return False

    def connection_lost(self, exc):
        cdef bint was_open = self._transport is not None
        self._transport = None
        self.disarm()
        self.unlist()
        if was_open:
            self._pool.open -= 1
        if self._state == SENT:
            self._unanswered()
        elif self._state == BODY:
            self._fail(ConnectionLost("the provider closed the connection inside its answer"))
        elif self._state == IDLE:
            self.abort()
        if was_open and self._pool._freed is not None:
            self._pool._freed()

    cdef object _unanswered(self):
        self._fail(ConnectionLost(
            "the provider closed the connection without an answer", stale=self.reused and not self._answered
        ))

    def pause_writing(self):
        pass         # a request is one bounded message, already in memory

    def resume_writing(self):
        pass

    # --- one call -------------------------------------------------------------------------------------------------------------

    cpdef object send(self, bytes data, bytes rest, long long first_byte_ns, long long idle_ns, long long total_deadline_ns):
        cdef long long now_ns = monotonic_ns()
        if self._state != IDLE or self._transport is None:
            raise ConnectionLost("the pooled connection is closed", stale=True)
        self._state = SENT
        self._answered = False
        self._surplus = False
        self._partial = None
        self.head = None
        self._failure = None
        self._wanted = WANTS_NOTHING
        self._wait.reset()
        self._first_byte_deadline_ns = now_ns + first_byte_ns
        self._idle_ns = idle_ns
        self._total_deadline_ns = total_deadline_ns
        self.arm(self._pool._wheel, min(self._first_byte_deadline_ns, total_deadline_ns))
        self._transport.write(data)
        if rest is not None:
            self._transport.write(rest)

    cpdef Wait headed(self):
        return self._want(WANTS_HEAD)

    cpdef bytes take_whole(self, Py_ssize_t limit_bytes):
        if self._state == ENDED and self._buffered_bytes <= limit_bytes:
            return self._take()
        return None

    def chunk(self):
        return self._want(WANTS_CHUNK)

    def body(self, Py_ssize_t limit_bytes):
        self._body_limit_bytes = limit_bytes
        return self._want(WANTS_BODY)

    def _want(self, int wanted):
        self._wanted = wanted
        self._wait.reset()
        self._deliver()
        return self._wait

    cpdef object release(self):
        """Give the connection back after a whole answer, close it otherwise."""
        cdef bint whole = self._state == ENDED and not self._surplus and self.head.keep_alive and self._transport is not None
        self._chunks.clear()
        self._buffered_bytes = 0
        self._failure = None
        self._wanted = WANTS_NOTHING
        self._wait.reset()
        if self._state == IDLE:
            return
        if whole and self._transport.get_write_buffer_size() == 0:
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            self.head = None        # and with it the bytes that it was read from
            self._reader = None
            self._pool._give_back(self)
        else:
            self.abort()

    def give_back(self):
        """For a connection that was opened for somebody who has gone."""
        if self._state == IDLE and self._transport is not None:
            self._pool._give_back(self)

    def expect_end(self, long long within_ns):
        """Nothing more is expected: the total deadline moves to this soon."""
        cdef long long deadline_ns = monotonic_ns() + within_ns
        if (self._state == BODY or self._state == SENT) and deadline_ns < self._total_deadline_ns:
            self._total_deadline_ns = deadline_ns
            if self._state == BODY or deadline_ns < self._first_byte_deadline_ns:
                self.arm(self._pool._wheel, deadline_ns)

    def abort(self):
        if self._state == IDLE and self in self._pool._idle:
            self._pool._idle.remove(self)
        self._state = CLOSED
        self._chunks.clear()
        self.disarm()
        if self._transport is not None:
            self._transport.abort()

    # --- reading --------------------------------------------------------------------------------------------------------------

    cdef object _receive(self, const unsigned char* data, Py_ssize_t size):
        cdef bytes received = b""
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t head_bytes
        if self._state == BODY:
            try:
                self._read_body(data, size)
            except (HttpSyntaxError, HttpLimitError) as error:
                self._fail(error)
                return
        elif self._state == SENT:
            self._answered = True
            try:
                while self._state == SENT:
                    if size == 0:
                        return
                    # The head is copied, for it is kept; the body only as payload.
                    head_bytes = behind_head(data, size)
                    received = PyBytes_FromStringAndSize(<const char*>data, head_bytes)
                    data += head_bytes
                    size -= head_bytes
                    if self._partial is not None:
                        received = self._partial + received
                        self._partial = None
                    at = self._read_head(received)
                self._read_body(<const unsigned char*>PyBytes_AS_STRING(received) + at, PyBytes_GET_SIZE(received) - at)
                if size and self._state == BODY:
                    self._read_body(data, size)
                elif size:
                    self._spill()
            except (HttpSyntaxError, HttpLimitError) as error:
                self._fail(error)
                return
        elif self._state == ENDED:
            self._spill()
            return
        else:
            if self._state == IDLE and not is_timeout(data, size):
                self._pool._distrust()
            self.abort()
            return
        self._deliver()

    cdef object _spill(self):
        self._surplus = True
        self._pool._distrust()

    cdef Py_ssize_t _read_head(self, bytes data) except -1:
        cdef Py_ssize_t at = 0
        cdef ResponseHead head
        while True:
            head = response_head(data, at, self._pool._max_head_bytes, self._pool._max_headers, False)
            if head is None:
                self._partial = data[at:] if at else data
                return 0
            at += head.size_bytes
            if head.status >= 200:
                break
            if head.status == 101:
                raise HttpSyntaxError("a protocol switch nobody asked for", 502)
        self.head = head
        self._reader = BodyReader.of(head, True, False, self._pool._max_body_bytes)
        self._state = BODY
        return at

    cdef object _read_body(self, const unsigned char* data, Py_ssize_t size):
        cdef bytes payload
        cdef Py_ssize_t payload_size = 0
        cdef Py_ssize_t consumed
        if size:
            payload = PyBytes_FromStringAndSize(NULL, size)
            consumed = self._reader.feed(data, size, <unsigned char*>PyBytes_AS_STRING(payload), &payload_size)
            if payload_size:
                self._chunks.append(payload if payload_size == size else payload[:payload_size])
                self._buffered_bytes += payload_size
            if consumed < size:
                self._spill()
        if self._reader.done:
            self._state = ENDED
            self.disarm()
        else:
            self._arm_idle()

    cdef object _arm_idle(self):
        # The wheel only moves a timer when its deadline comes nearer, so this is a store for all chunks but the first.
        cdef long long deadline_ns = monotonic_ns() + self._idle_ns
        if deadline_ns > self._total_deadline_ns:
            deadline_ns = self._total_deadline_ns
        self.arm(self._pool._wheel, deadline_ns)

    cdef bytes _take(self):
        cdef bytes taken
        if len(self._chunks) == 1:
            taken = <bytes>self._chunks[0]
        else:
            taken = b"".join(self._chunks)
        self._chunks.clear()
        self._buffered_bytes = 0
        if self._paused:
            self._paused = False
            if self._transport is not None:
                self._transport.resume_reading()
            if self._state == BODY:
                self._arm_idle()
        return taken

    cdef object _deliver(self):
        # Wakes the sleeper if what it wants is here; stops reading when nobody takes what has come.
        cdef int wanted = self._wanted
        if wanted == WANTS_HEAD and self.head is not None:
            self._wanted = WANTS_NOTHING
            self._wait.wake(None)
            return
        if wanted == WANTS_CHUNK and (self._buffered_bytes or self._state == ENDED):
            self._wanted = WANTS_NOTHING
            self._wait.wake(self._take() if self._buffered_bytes else None)
            return
        if wanted == WANTS_BODY and self._failure is None and (
            self._state == ENDED or self._buffered_bytes > self._body_limit_bytes
        ):
            self._wanted = WANTS_NOTHING
            self._wait.wake(self._take() if self._state == ENDED and self._buffered_bytes <= self._body_limit_bytes else None)
            return
        if wanted != WANTS_NOTHING and self._failure is not None:
            self._wanted = WANTS_NOTHING
            self._wait.wake_error(self._failure)
            return
        if wanted == WANTS_NOTHING and self._state == BODY and self._buffered_bytes >= READ_BYTES and not self._paused:
            self._paused = True
            self.disarm()
            # The idle clock stands still while the client is the slow one; the total deadline does not.
            self.arm(self._pool._wheel, self._total_deadline_ns)
            self._transport.pause_reading()

    cdef object _fail(self, error):
        self._failure = error
        self._state = CLOSED
        self.disarm()
        if self._transport is not None:
            self._transport.abort()
        self._deliver()

    cdef object expired(self, long long now_ns):
        if self._state == IDLE:
            self.abort()
        elif now_ns >= self._total_deadline_ns:
            self._fail(DeadlineExceeded("total"))
        elif self._state == SENT:
            self._fail(DeadlineExceeded("first_byte"))
        elif self._state == BODY:
            self._fail(DeadlineExceeded("idle"))
