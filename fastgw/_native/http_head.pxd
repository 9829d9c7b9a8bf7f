# The C face of http_head: see http_head.pyi for what each name means.

cdef struct HeaderSpan:  # offsets from MessageHead._start
    int name_at
    int name_len
    int value_at         # without surrounding blanks
    int value_len


cdef class MessageHead:
    cdef bytes _data             # the bytes the spans point into: kept by reference, never copied
    cdef Py_ssize_t _start       # spans are relative to this offset in _data
    cdef HeaderSpan* _spans
    cdef int _count
    cdef int _capacity
    cdef int _seen               # which single-valued fields have been met
    cdef int _option_count       # elements of Connection
    cdef bint _closes
    cdef bint _keeps
    cdef bint _nominates         # Connection names something besides close and keep-alive
    cdef readonly Py_ssize_t size_bytes
    cdef readonly long long content_length
    cdef readonly bint chunked
    cdef readonly bint keep_alive
    cdef readonly int minor_version

    # The first value of a name, or NULL. Borrows from this head: valid as long as the head lives.
    cdef const unsigned char* find(self, const char* lower_name, Py_ssize_t name_len, Py_ssize_t* value_len) noexcept
    # Whether the message's own Connection field names this header, which makes it hop-by-hop (RFC 9110 7.6.1).
    cdef bint nominates(self, const unsigned char* name, Py_ssize_t name_len) noexcept
    cpdef bytes header(self, bytes lower_name)

    cdef const unsigned char* _bind(self, bytes data, Py_ssize_t start) noexcept
    cdef const unsigned char* _bytes(self) noexcept
    cdef int _note_own(self, const unsigned char* name, HeaderSpan* span) except -1
    cdef int _note(self, HeaderSpan* span) except -1
    cdef int _note_connection(self, const unsigned char* at, const unsigned char* end) except -1
    cdef int _note_length(self, const unsigned char* value, int size) except -1
    cdef int _note_coding(self, const unsigned char* value, int size) except -1
    cdef int _append(self, HeaderSpan span) except -1
    cdef int _fields(self, const unsigned char* at, const unsigned char* end, int max_headers) except -1


cdef class RequestHead(MessageHead):
    cdef readonly bytes method
    cdef readonly bytes target
    cdef readonly bytes path
    cdef readonly bint expect_continue
    cdef const unsigned char* _request_line(self, const unsigned char* at, const unsigned char* end) except? NULL


cdef class ResponseHead(MessageHead):
    cdef readonly int status
    cdef readonly bytes reason
    cdef readonly bint bodiless
    cdef const unsigned char* _status_line(self, const unsigned char* at, const unsigned char* end) except? NULL
    cdef int _settle(self) except -1


# None while the head is incomplete. Errors: HttpSyntaxError, HttpLimitError (431).
cdef RequestHead request_head(bytes data, Py_ssize_t start, Py_ssize_t max_head_bytes, int max_headers)
cdef ResponseHead response_head(
    bytes data, Py_ssize_t start, Py_ssize_t max_head_bytes, int max_headers, bint answers_head
)
