"""The framing of one message body: counted, chunked, or running until the connection closes.

Owns: where the body ends and which of its bytes are payload. Invariant: one state machine, stepped byte by byte
outside of payload and never looking ahead, so any split of the bytes gives the same payload, end and error; payload
is never longer than what was consumed. Trailers and chunk extensions are checked and thrown away. Does not buffer,
does no IO, knows no deadline.

States of a chunked body (the others are one state each):

    SIZE -> [EXT_NAME [EXT_VALUE | EXT_QUOTED [EXT_ESCAPE] EXT_QUOTED_END]]* -> SIZE_LF
    SIZE_LF of any other size -> DATA -> DATA_CR -> DATA_LF -> SIZE
    SIZE_LF of a zero size -> TRAILER -> [TRAILER_NAME -> TRAILER_VALUE -> TRAILER_LF -> TRAILER]* -> END_LF -> DONE
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memmove

from fastgw._native.ascii cimport (
    BACKSLASH, COLON, CR, EQUALS, HEX_BYTE, LF, QUOTE, SEMICOLON, TOKEN_BYTE, VALUE_BYTE, hex_value, is_digit, is_in,
    lower,
)
from fastgw._native.http_head cimport MessageHead, ResponseHead

from fastgw._native.errors import HttpLimitError, HttpSyntaxError

cdef enum:
    COUNTED
    UNTIL_CLOSE
    DATA
    DATA_CR
    DATA_LF
    SIZE
    SIZE_LF
    EXT_NAME
    EXT_VALUE
    EXT_QUOTED
    EXT_ESCAPE
    EXT_QUOTED_END
    TRAILER
    TRAILER_NAME
    TRAILER_VALUE
    TRAILER_LF
    END_LF
    DONE
    BROKEN

cdef enum:
    SIZE_DIGITS = 16            # room for zero-padded sizes; the value is bounded to 2**63 - 1 besides
    LINE_BYTES = 1024           # of one size line with its extensions
    FREE_OVERHEAD_BYTES = 16384
    OVERHEAD_SHIFT = 3          # and 2**3 bytes more for each byte of payload: one-byte chunks cost five
    TRAILER_BYTES = 8192
    TRAILER_COUNT = 64
    NAME_BYTES = 24             # longer than every forbidden name

# A parser that merges trailers into the head would read these as framing, routing, credentials or the form of the body
# (RFC 9110 6.5.1). Compared after folding, so imitations such as Content_Length are refused too.
cdef frozenset FORBIDDEN_TRAILERS = frozenset((
    b"api-key", b"authorization", b"connection", b"content-encoding", b"content-length", b"content-range",
    b"content-type", b"cookie", b"expect", b"host", b"proxy-authorization", b"set-cookie", b"te", b"trailer",
    b"transfer-encoding", b"upgrade", b"x-api-key", b"x-goog-api-key",
))


@cython.final
@cython.freelist(128)
cdef class BodyReader:
    def __cinit__(self):
        self._state = DONE
        self.done = True

    @staticmethod
    cdef BodyReader of(MessageHead head, bint is_response, bint no_body, long long max_body_bytes):
        cdef BodyReader reader = BodyReader.__new__(BodyReader)
        reader._max_bytes = max_body_bytes
        if no_body or (is_response and isinstance(head, ResponseHead) and (<ResponseHead>head).bodiless):
            return reader
        if head.chunked:
            reader._state = SIZE
        elif head.content_length > 0:
            if head.content_length > max_body_bytes:
                reader._exceed("the body is larger than allowed", 413)
            reader._state = COUNTED
            reader._left_bytes = head.content_length
        elif head.content_length < 0 and is_response:
            reader._state = UNTIL_CLOSE
            reader.until_close = True
        reader.done = reader._state == DONE
        return reader

    cdef int _refuse(self, str message) except -1:
        self._state = BROKEN
        raise HttpSyntaxError(message)

    cdef int _exceed(self, str message, int status) except -1:
        self._state = BROKEN
        raise HttpLimitError(message, status)

    cdef Py_ssize_t feed(
        self, const unsigned char* data, Py_ssize_t size, unsigned char* out, Py_ssize_t* out_size
    ) except -1:
        cdef Py_ssize_t used = 0, written = 0, take
        out_size[0] = 0
        while used < size and self._state != DONE:
            if self._state > DATA:
                self._step(data[used])
                used += 1
                continue
            take = size - used
            if self._state != UNTIL_CLOSE:
                take = min(take, self._left_bytes)
                self._left_bytes -= take
            elif take > self._max_bytes - self.received_bytes:
                self._exceed("the body is larger than allowed", 413)
            memmove(out + written, data + used, take)
            used += take
            written += take
            self.received_bytes += take
            if self._left_bytes == 0 and self._state != UNTIL_CLOSE:
                self._state = DONE if self._state == COUNTED else DATA_CR
        self.done = self._state == DONE
        out_size[0] = written
        return used

    cpdef bint finish_at_eof(self) except -1:
        if self._state == UNTIL_CLOSE:
            self._state = DONE
            self.done = True
        if not self.done:
            self._refuse("the connection was closed inside a body")
        return True

    def feed_bytes(self, bytes data not None):
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data), written = 0, used
        cdef bytes out = PyBytes_FromStringAndSize(NULL, size)
        used = self.feed(
            <const unsigned char*>PyBytes_AS_STRING(data), size, <unsigned char*>PyBytes_AS_STRING(out), &written
        )
        return out[:written], used

    cdef int _step(self, unsigned char byte) except -1:
        # One byte of framing.
        if self._state >= TRAILER:
            return self._step_trailer(byte)
        self._overhead_bytes += 1
        if (self._overhead_bytes - FREE_OVERHEAD_BYTES) >> OVERHEAD_SHIFT > self.received_bytes:
            return self._exceed("the chunk framing outweighs the payload", 413)
        if self._state == DATA_CR:
            self._state = DATA_LF
            return 0 if byte == CR else self._refuse("no CR LF behind a chunk")
        if self._state == DATA_LF:
            self._state = SIZE
            return 0 if byte == LF else self._refuse("no CR LF behind a chunk")
        self._line_bytes += 1
        if self._line_bytes > LINE_BYTES:
            return self._exceed("the size line of a chunk is too long", 413)
        return self._step_size(byte) if self._state <= SIZE_LF else self._step_extension(byte)

    cdef int _step_size(self, unsigned char byte) except -1:
        if self._state == SIZE_LF:
            return self._size_line_ended() if byte == LF else self._refuse("bare CR in the size line of a chunk")
        if is_in(byte, HEX_BYTE):
            # Below 2**59 before the digit: below 2**63 after it.
            if self._part_bytes == SIZE_DIGITS or self._left_bytes >> 59:
                return self._refuse("the size of a chunk is out of range")
            self._left_bytes = self._left_bytes << 4 | hex_value(byte)
            self._part_bytes += 1
            return 0
        if self._part_bytes == 0 or not (byte == CR or byte == SEMICOLON):
            return self._refuse("malformed chunk size")
        self._part_bytes = 0
        self._state = SIZE_LF if byte == CR else EXT_NAME
        return 0

    cdef int _size_line_ended(self) except -1:
        self._line_bytes = 0
        self._part_bytes = 0
        if self._left_bytes > self._max_bytes - self.received_bytes:
            return self._exceed("the body is larger than allowed", 413)
        self._state = DATA if self._left_bytes else TRAILER
        return 0

    cdef int _step_extension(self, unsigned char byte) except -1:
        # *( ";" name [ "=" ( token / quoted-string ) ] ) without the blanks that RFC 9112 7.1.1 calls bad.
        if self._state == EXT_QUOTED or self._state == EXT_ESCAPE:
            if not is_in(byte, VALUE_BYTE):
                return self._refuse("control byte in a chunk extension")
            if self._state == EXT_ESCAPE:
                self._state = EXT_QUOTED
            elif byte == QUOTE:
                self._state = EXT_QUOTED_END
            elif byte == BACKSLASH:
                self._state = EXT_ESCAPE
            return 0
        if self._state != EXT_QUOTED_END:
            if is_in(byte, TOKEN_BYTE):
                self._part_bytes += 1
                return 0
            if self._state == EXT_VALUE and self._part_bytes == 0 and byte == QUOTE:
                self._state = EXT_QUOTED
                return 0
            if self._part_bytes == 0:
                return self._refuse("empty name or value in a chunk extension")
        self._part_bytes = 0
        if byte == EQUALS and self._state == EXT_NAME:
            self._state = EXT_VALUE
        elif byte == SEMICOLON:
            self._state = EXT_NAME
        elif byte == CR:
            self._state = SIZE_LF
        else:
            return self._refuse("invalid byte in a chunk extension")
        return 0

    cdef int _step_trailer(self, unsigned char byte) except -1:
        if self._state == BROKEN:
            return self._refuse("the body is already broken")
        if self._state == END_LF:
            self._state = DONE
            return 0 if byte == LF else self._refuse("bare CR in the trailer section")
        if self._state == TRAILER and byte == CR:
            self._state = END_LF
            return 0
        self._trailer_bytes += 1
        if self._trailer_bytes > TRAILER_BYTES:
            return self._exceed("the trailer section is too long", 431)
        if self._state == TRAILER_LF:
            self._state = TRAILER
            return 0 if byte == LF else self._refuse("bare CR in a trailer")
        if self._state == TRAILER_VALUE:
            if byte == CR:
                self._state = TRAILER_LF
            return 0 if byte == CR or is_in(byte, VALUE_BYTE) else self._refuse("control byte in a trailer")
        if is_in(byte, TOKEN_BYTE):
            self._state = TRAILER_NAME
            if self._part_bytes < NAME_BYTES:
                byte = lower(byte)
                self._name[self._part_bytes] = byte if is_digit(byte) or c"a" <= byte <= c"z" else c"-"
            self._part_bytes += 1
            return 0
        return self._trailer_named() if byte == COLON else self._refuse("invalid byte in a trailer name")

    cdef int _trailer_named(self) except -1:
        cdef int size = self._part_bytes
        self._trailer_count += 1
        if self._trailer_count > TRAILER_COUNT:
            return self._exceed("too many trailers", 431)
        if size == 0:
            return self._refuse("empty trailer name")
        if size <= NAME_BYTES and (<const char*>self._name)[:size] in FORBIDDEN_TRAILERS:
            return self._refuse("a trailer that must not be one")
        self._part_bytes = 0
        self._state = TRAILER_VALUE
        return 0


def body_reader(MessageHead head not None, bint no_body=False, long long max_body_bytes=33_554_432):
    return BodyReader.of(head, isinstance(head, ResponseHead), no_body, max_body_bytes)
