# The C face of http_body: see http_body.pyi for what each name means.

from fastgw._native.http_head cimport MessageHead


cdef class BodyReader:
    cdef readonly bint done
    cdef readonly bint until_close
    cdef readonly long long received_bytes
    cdef long long _max_bytes
    cdef long long _left_bytes        # of the message or of the chunk
    cdef long long _overhead_bytes    # chunk lines and the CR LF behind each chunk
    cdef int _state
    cdef int _line_bytes              # of the size line so far
    cdef int _part_bytes              # of the size, extension name, extension value or trailer name so far
    cdef int _trailer_bytes
    cdef int _trailer_count
    cdef unsigned char[24] _name      # start of the trailer name, folded

    # Raises HttpLimitError (413) when the announced length is above max_body_bytes (>= 0). Requests: is_response=False.
    @staticmethod
    cdef BodyReader of(MessageHead head, bint is_response, bint no_body, long long max_body_bytes)
    # Consumes up to size bytes, writes payload (never more than it consumed) to out and returns how many it consumed:
    # less than size once the body is done, the rest belongs to the next message. out may be data itself.
    cdef Py_ssize_t feed(
        self, const unsigned char* data, Py_ssize_t size, unsigned char* out, Py_ssize_t* out_size
    ) except -1
    cpdef bint finish_at_eof(self) except -1

    cdef int _refuse(self, str message) except -1
    cdef int _exceed(self, str message, int status) except -1
    cdef int _step(self, unsigned char byte) except -1
    cdef int _step_size(self, unsigned char byte) except -1
    cdef int _step_extension(self, unsigned char byte) except -1
    cdef int _step_trailer(self, unsigned char byte) except -1
    cdef int _size_line_ended(self) except -1
    cdef int _trailer_named(self) except -1
