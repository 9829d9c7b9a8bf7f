# From journal records to rows of the ledger's tables, for the shape that nearly every call has.
#
# Invariant: what is written here is what the slow way (msgspec, then `ledger.schema`) would have written; a record that is not
# exactly of the known shape (another build's, odd usage, not settled) is handed back for that way. `ledger_record` packs the bytes.
# A *shape* is what a call has in common with others, as the bytes that the record has for it: equal bytes are equal values.
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_DelItem, PyDict_GetItem
from cpython.long cimport PyLong_FromLongLong
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

from fastgw._native import journal

cdef extern from *:
    """
    static inline uint64_t fastgw_big_endian(const unsigned char *at, int bytes) {
        uint64_t bits = 0;
        for (int i = 0; i < bytes; i++) bits = bits << 8 | at[i];
        return bits;
    }
    """
    uint64_t big_endian "fastgw_big_endian"(const uint8_t* at, int bytes) noexcept nogil

cdef extern from "Python.h":
    PyObject* dict_item "PyDict_GetItemWithError"(dict found, object key) except? NULL

cdef enum:
    FIELDS = 37
    NUMBERS = 15               # columns of a call before its dimension
    MAX_SHAPE_BYTES = 4096     # of a longer one nothing is remembered
    MAX_TEXTS = 4096
    OWN_ID_BYTES = 20
    COST = 10                  # which of the numbers may be absent

ctypedef const uint8_t* At

cdef const char* SETTLED_TEXT = b"\xa7settled"
cdef int64_t OPENED_KIND = journal.OPENED
cdef int64_t SETTLED_KIND = journal.SETTLED


cdef struct Row:
    int64_t numbers[NUMBERS]
    bint priced
    At request_id
    Py_ssize_t request_id_size
    At metadata                # its map with head, NULL when there is none
    Py_ssize_t metadata_size
    uint8_t shape[MAX_SHAPE_BYTES]
    Py_ssize_t shape_size


cdef inline At text(At at, At end, At* start, Py_ssize_t* size) noexcept nogil:
    # Behind a string, or NULL.
    cdef int head
    if at >= end:
        return NULL
    if 0xA0 <= at[0] < 0xC0:
        size[0] = at[0] & 31
        at += 1
    elif 0xD9 <= at[0] <= 0xDB:
        head = 1 << (at[0] - 0xD9)
        if end - at < 1 + head:
            return NULL
        size[0] = <Py_ssize_t>big_endian(at + 1, head)
        at += 1 + head
    else:
        return NULL
    start[0] = at
    return at + size[0] if end - at >= size[0] else NULL


cdef inline At texts(At at, At end, int count) noexcept nogil:
    cdef At start = NULL
    cdef Py_ssize_t size = 0
    while count and at != NULL:
        at = text(at, end, &start, &size)
        count -= 1
    return at


cdef inline At number(At at, At end, int64_t* value) noexcept nogil:
    # Behind a whole number of at most 63 bits, or NULL.
    cdef int code, bytes_
    cdef uint64_t bits
    if at >= end:
        return NULL
    code = at[0]
    if code < 0x80 or code >= 0xE0:
        value[0] = <int8_t>at[0]
        return at + 1
    if not 0xCC <= code <= 0xD3:
        return NULL
    bytes_ = 1 << (code & 3)
    if end - at < 1 + bytes_:
        return NULL
    bits = big_endian(at + 1, bytes_)
    if code == 0xD0:
        value[0] = <int8_t>bits
    elif code == 0xD1:
        value[0] = <int16_t>bits
    elif code == 0xD2:
        value[0] = <int32_t>bits
    else:
        value[0] = <int64_t>bits
        if code == 0xCF and value[0] < 0:
            return NULL
    return at + 1 + bytes_


cdef inline At metadata_map(At at, At end) noexcept nogil:
    # Behind a map of texts to texts, or NULL.
    cdef Py_ssize_t count
    if at >= end:
        return NULL
    if 0x80 <= at[0] < 0x90:
        count = at[0] & 15
        at += 1
    elif at[0] == 0xDE and end - at >= 3:
        count = <Py_ssize_t>big_endian(at + 1, 2)
        at += 3
    else:
        return NULL
    return texts(at, end, <int>(2 * count))


cdef bint add_shape(Row* row, At start, At end) noexcept nogil:
    if row.shape_size + (end - start) > MAX_SHAPE_BYTES:
        return False
    memcpy(row.shape + row.shape_size, start, end - start)
    row.shape_size += end - start
    return True


cdef bint parse(At at, Py_ssize_t size, Row* row) noexcept nogil:
    """Whether the record is of the plain shape; then `row` has all of it. The order is that of `put_record` in ledger_record."""
    cdef At end = at + size
    cdef At start = NULL
    cdef int64_t ignored = 0
    cdef int64_t* numbers = row.numbers
    cdef int i
    row.shape_size = 0
    if size < 3 or at[0] != 0xDC or big_endian(at + 1, 2) != FIELDS:
        return False
    at = number(at + 3, end, &numbers[0])
    if at != NULL:
        at = text(at, end, &row.request_id, &row.request_id_size)
    if at != NULL:
        at = number(at, end, &numbers[1])
    start = at
    if at != NULL:
        at = texts(at, end, 9)
    if at == NULL or at >= end or (at[0] != 0xC2 and at[0] != 0xC3):
        return False
    at += 1
    if not add_shape(row, start, at):
        return False
    at = number(at, end, &numbers[2])
    start = at
    if at != NULL:
        at = texts(at, end, 1)
    # The outcome.
    if at == NULL or end - at < 8 or memcmp(at, SETTLED_TEXT, 8) != 0:
        return False
    at = texts(at, end, 2)
    if at == NULL or not add_shape(row, start, at):
        return False
    for i in range(3, 10):
        at = number(at, end, &numbers[i])
        if at == NULL:
            return False
    # Audio and images, which are rare, and counts of other units.
    if end - at < 5 or at[0] or at[1] or at[2] or at[3] or at[4] != 0xC0:
        return False
    at += 5
    row.priced = at < end and at[0] != 0xC0
    at = number(at, end, &numbers[COST]) if row.priced else at + 1
    start = at
    if at != NULL:
        at = texts(at, end, 1)
    if at == NULL or not add_shape(row, start, at):
        return False
    for i in range(11, 14):
        at = number(at, end, &numbers[i])
        if at == NULL:
            return False
    row.metadata = NULL
    if at < end and at[0] == 0xC0:
        at += 1
    else:
        row.metadata = at
        at = metadata_map(at, end)
        if at == NULL:
            return False
        row.metadata_size = at - row.metadata
    at = number(at, end, &numbers[14])
    if at != NULL:
        at = number(at, end, &ignored)
    return at == end


cdef inline int hex_digit(uint64_t value) noexcept nogil:
    return <int>value + (c"0" if value < 10 else c"a" - 10)


cdef bint is_own_id(Row* row) noexcept nogil:
    # `fgw_` and the id in 16 hexadecimal digits.
    cdef uint64_t id_ = <uint64_t>row.numbers[0]
    cdef int i
    if row.request_id_size != OWN_ID_BYTES or big_endian(row.request_id, 4) != 0x6667775F:
        return False
    for i in range(16):
        if row.request_id[19 - i] != hex_digit(id_ >> (4 * i) & 15):
            return False
    return True


cdef bint is_ascii(At at, Py_ssize_t size) noexcept nogil:
    cdef uint8_t all_bits = 0
    cdef Py_ssize_t i
    for i in range(size):
        all_bits |= at[i]
    return all_bits < 0x80


cdef inline void put(tuple values, int index, object value) noexcept:
    Py_INCREF(value)
    PyTuple_SET_ITEM(values, index, value)


@cython.final
cdef class RowReader:
    cdef readonly dict shapes
    cdef dict _texts
    cdef object _to_json

    def __cinit__(self, to_json):
        self.shapes = {}
        self._texts = {}
        self._to_json = to_json

    def shape(self, bytes payload not None):
        cdef Row row
        if not parse(<At>PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload), &row):
            return None
        return PyBytes_FromStringAndSize(<const char*>row.shape, row.shape_size)

    def read(self, list records not None, list plain not None, list full not None):
        cdef list rest = []
        cdef tuple record, values
        cdef bytes payload
        cdef object dimension
        cdef PyObject* known
        cdef Row row
        for record in records:
            payload = <bytes?>record[1]
            if parse(<At>PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload), &row) and row.numbers[0] == record[0]:
                known = dict_item(self.shapes, PyBytes_FromStringAndSize(<const char*>row.shape, row.shape_size))
                if known != NULL:
                    dimension = <object>known
                    if row.metadata == NULL and is_own_id(&row):
                        plain.append(self._values(&row, dimension, NUMBERS + 1))
                        continue
                    values = self._full_values(&row, dimension)
                    if values is not None:
                        full.append(values)
                        continue
            rest.append(record)
        return rest

    cdef tuple _values(self, Row* row, object dimension, int size):
        cdef tuple values = PyTuple_New(size)
        cdef int i
        for i in range(NUMBERS):
            put(values, i, PyLong_FromLongLong(row.numbers[i]) if i != COST or row.priced else None)
        put(values, NUMBERS, dimension)
        return values

    cdef tuple _full_values(self, Row* row, object dimension):
        # None when a text is not as simple as most. A tuple is filled only once nothing can fail any more.
        cdef object request_id = 0
        cdef object metadata = 0
        cdef tuple values
        if not is_own_id(row):
            if not is_ascii(row.request_id, row.request_id_size):
                return None
            request_id = PyUnicode_DecodeASCII(<const char*>row.request_id, row.request_id_size, NULL)
        if row.metadata != NULL:
            metadata = self._json_of(PyBytes_FromStringAndSize(<const char*>row.metadata, row.metadata_size))
            if metadata is None:
                return None
        values = self._values(row, dimension, NUMBERS + 5)
        put(values, NUMBERS + 1, 1)
        put(values, NUMBERS + 2, request_id)
        put(values, NUMBERS + 3, metadata)
        put(values, NUMBERS + 4, 0)
        return values

    cdef object _json_of(self, bytes packed):
        cdef object found = self._texts.get(packed)
        if found is None:
            try:
                found = self._to_json(packed)
            except Exception:  # not UTF-8: the slow way says what is wrong with it
                return None
            if len(self._texts) >= MAX_TEXTS:
                self._texts.clear()
            self._texts[packed] = found
        return found


def pair(list records not None, dict opened not None, list settled not None):
    """Take records in their order into `opened` (by id) and `settled`; returns ids that were closed, and records of other kinds."""
    cdef list closed = []
    cdef list other = []
    cdef tuple record
    cdef int64_t kind
    cdef object id_
    for record in records:
        kind = record[0]
        id_ = record[1]
        if kind == SETTLED_KIND:
            settled.append((id_, record[2]))
            if PyDict_GetItem(opened, id_) != NULL:
                PyDict_DelItem(opened, id_)
                closed.append(id_)
        elif kind == OPENED_KIND:
            opened[id_] = record[2]
        else:
            other.append(record)
    return closed, other
