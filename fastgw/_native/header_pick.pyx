# The few headers that the gateway itself reads, in one pass over a head.
#
# Invariant: of a header that is there more than once the first is given, as `MessageHead.header` does.
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_INCREF
from cpython.unicode cimport PyUnicode_DecodeASCII
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from fastgw._native.http_head cimport HeaderSpan, MessageHead

cdef extern from "strings.h" nogil:
    int strncasecmp(const char* a, const char* b, size_t size)


@cython.final
cdef class HeaderPick:
    def __cinit__(self, names):
        cdef bytes name
        self._names = tuple(names)
        if len(self._names) > MAX_PICKED:
            raise ValueError(f"names: expected at most {MAX_PICKED}, got {len(self._names)}")
        for name in self._names:
            self._texts[self._count] = PyBytes_AS_STRING(name)
            self._sizes[self._count] = <int>len(name)
            self._count += 1

    cpdef tuple pick(self, MessageHead head):
        cdef tuple result
        cdef HeaderSpan* found[MAX_PICKED]
        cdef const char* base
        cdef HeaderSpan* span
        cdef object value
        cdef int index, wanted
        if head is None:
            raise TypeError("expected a head")
        base = PyBytes_AS_STRING(head._data) + head._start
        result = PyTuple_New(self._count)
        for wanted in range(self._count):
            found[wanted] = NULL
        for index in range(head._count):
            span = &head._spans[index]
            for wanted in range(self._count):
                if self._sizes[wanted] == span.name_len and found[wanted] == NULL:
                    if strncasecmp(self._texts[wanted], base + span.name_at, span.name_len) == 0:
                        found[wanted] = span
                        break
        for wanted in range(self._count):
            value = None
            if found[wanted] != NULL:
                value = PyBytes_FromStringAndSize(base + found[wanted].value_at, found[wanted].value_len)
            Py_INCREF(value)
            PyTuple_SET_ITEM(result, wanted, value)
        return result


cpdef str visible_text(bytes value, Py_ssize_t max_bytes):
    cdef Py_ssize_t size, at
    cdef const unsigned char* text
    if value is None:
        return ""
    size = PyBytes_GET_SIZE(value)
    text = <const unsigned char*>PyBytes_AS_STRING(value)
    if size > max_bytes:
        return ""
    for at in range(size):
        if not 0x21 <= text[at] <= 0x7E:
            return ""
    return PyUnicode_DecodeASCII(<const char*>text, size, NULL)
