# The C face of http_write: see http_write.pyi for what each name means.

from fastgw._native.http_head cimport MessageHead

cpdef enum:
    INLINE_BODY_BYTES = 32768  # longer request bodies are written apart: a second system call is cheaper than the copy

cdef struct FilterEntry:
    int at                     # in HeaderFilter._text
    int size                   # 0: the slot is free


cdef class HeaderFilter:
    cdef bytes _text           # every name and prefix, one behind the other
    cdef FilterEntry* _slots   # open addressing, at most half full
    cdef unsigned int _mask
    cdef FilterEntry* _prefixes
    cdef int _prefix_count
    cdef unsigned int _prefix_letters  # a bit for each first letter, by its last five bits

    cdef bint drops(self, const unsigned char* name, Py_ssize_t name_len) noexcept
    cdef int _add_name(self, int at, int size) except -1


cpdef bytes header_line(bytes name, bytes value)
cpdef bytes write_request(
    bytes method, bytes target, bytes fixed_lines, MessageHead forwarded, HeaderFilter drop, bytes body
)
cpdef bytes write_response(
    int status, MessageHead forwarded, HeaderFilter drop, bytes extra_lines, long long content_length, bint chunked,
    bint keep_alive, bytes body
)
# Hexadecimal size, CR LF, the bytes, CR LF. Empty for no bytes, which would end the body.
cdef bytes frame_chunk(const unsigned char* data, Py_ssize_t size)
