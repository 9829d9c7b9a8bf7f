# Which rules match a call: the AND of one row of bits for each thing that rules ask about.
#
# Invariant: a row depends on its value alone, so what is remembered cannot differ from what would be learnt again; a memo that is
# full is emptied, for its values come from callers.
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    PyObject* dict_item "PyDict_GetItemWithError"(dict found, object key) except? NULL

cdef enum:
    WORD_BYTES = 8
    MAX_KNOWN = 4096           # values of one thing that are remembered


@cython.final
cdef class RuleProgram:
    def __cinit__(self, int rules, names, learn, *, bint timed):
        if rules < 0:
            raise ValueError(f"rules: expected 0 or more, got {rules}")
        self.rules = rules
        self._row_bytes = WORD_BYTES * ((rules + 63) // 64)
        self._names = tuple(names)
        self._known = [{} for _ in range(len(self._names) + 1)]
        self._learn = learn
        self.timed = timed

    def row(self, bits):
        if bits >> self.rules:
            raise OverflowError(f"bits of more than {self.rules} rules")
        return bits.to_bytes(self._row_bytes, "little")

    cdef bytes _row(self, int slot, object value):
        cdef dict known = <dict>self._known[slot]
        cdef PyObject* found = dict_item(known, value)
        if found != NULL:
            return <bytes>found
        row = self.row(self._learn(slot, value))
        if len(known) >= MAX_KNOWN:
            known.clear()
        known[value] = row
        return row

    cpdef bytes match(self, bytes base, dict metadata, object minute=None):
        cdef bytes row, matched
        cdef uint64_t* bits
        cdef uint64_t word
        cdef const char* other
        cdef Py_ssize_t i
        cdef int slot, slots
        cdef PyObject* value
        if base is None or PyBytes_GET_SIZE(base) != self._row_bytes:
            raise ValueError(f"base: expected a row of {self._row_bytes} bytes")
        slots = <int>len(self._names) + self.timed
        if slots == 0:
            return base
        matched = PyBytes_FromStringAndSize(PyBytes_AS_STRING(base), self._row_bytes)
        bits = <uint64_t*>PyBytes_AS_STRING(matched)
        for slot in range(slots):
            if slot == len(self._names):
                row = self._row(slot, minute)
            else:
                value = NULL if metadata is None else dict_item(metadata, self._names[slot])
                row = self._row(slot, None if value == NULL else <object>value)
            other = PyBytes_AS_STRING(row)
            for i in range(self._row_bytes // WORD_BYTES):
                memcpy(&word, other + WORD_BYTES * i, WORD_BYTES)
                bits[i] &= word
        return matched


def members(bytes row not None):
    cdef list found = []
    cdef Py_ssize_t i
    cdef int bit
    cdef unsigned char byte
    for i in range(PyBytes_GET_SIZE(row)):
        byte = <unsigned char>PyBytes_AS_STRING(row)[i]
        for bit in range(8):
            if byte >> bit & 1:
                found.append(8 * i + bit)
    return tuple(found)
