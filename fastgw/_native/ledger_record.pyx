# The ledger entry of a call while it is being made: written on the hot path, read only after it has been through the journal.
#
# Invariant: what `pack` writes is, byte for byte, what msgspec writes for `domain.entry.LedgerEntry` with the same values: an array
# of its fields in their order, each number in its shortest form (https://github.com/msgpack/msgpack/blob/master/spec.md).
# Its attributes are public, unlike those of other native classes: it is a row, and whoever holds the call writes it.
cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_Next
from cpython.object cimport PyObject
from libc.stdint cimport INT32_MIN, UINT32_MAX, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

cdef extern from "Python.h":
    # Unlike Cython's own conversion it takes no fraction for a whole number.
    int64_t whole "PyLong_AsLongLong"(object value) except? -1

cdef extern from *:
    """
    /* The text of a str, which keeps it: asking twice costs nothing and cannot fail. */
    static inline const char *fastgw_utf8(PyObject *text, Py_ssize_t *size) {
        if (PyUnicode_Check(text) && PyUnicode_IS_COMPACT_ASCII(text)) {
            *size = PyUnicode_GET_LENGTH(text);
            return (const char *)PyUnicode_1BYTE_DATA(text);
        }
        return PyUnicode_AsUTF8AndSize(text, size);
    }
    /* The last `bytes` bytes of a number, the highest first, and rubbish behind them up to the eighth. */
    static inline void fastgw_store_big_endian(unsigned char *at, uint64_t bits, int bytes) {
        bits = __builtin_bswap64(bits << (64 - 8 * bytes));
        memcpy(at, &bits, 8);
    }
    """
    const char* utf8 "fastgw_utf8"(PyObject* text, Py_ssize_t* size) except NULL
    void store_big_endian "fastgw_store_big_endian"(uint8_t* at, uint64_t bits, int bytes) noexcept nogil

cdef enum:
    FIELDS = 37
    TEXTS = 14
    ARRAY_16 = 0xDC
    NIL = 0xC0
    FALSE_BYTE = 0xC2
    TRUE_BYTE = 0xC3
    MAX_HEAD_BYTES = 9         # of any value: its code and up to eight bytes of number or size
    MAX_BYTES = 1 << 30        # so that no size needs more than four bytes

ctypedef uint8_t* Out


cdef struct Text:
    const char* start
    Py_ssize_t size


@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class LedgerRecord:
    # Never part of a cycle: texts, numbers, and maps of texts to texts or numbers.
    def __cinit__(
        self, int64_t id, str request_id not None, int64_t started_ns, str key not None, str user not None="",
        str team not None="", str alias not None="", str target not None="", str provider not None="",
        str region not None="", str dialect not None="", str operation not None="", bint streaming=False,
        dict metadata=None, int64_t fingerprint=0, /,
    ):
        self.id = id
        self.request_id = request_id
        self.started_ns = started_ns
        self.key = key
        self.user = user
        self.team = team
        self.alias = alias
        self.target = target
        self.provider = provider
        self.region = region
        self.dialect = dialect
        self.operation = operation
        self.streaming = streaming
        self.metadata = metadata
        self.fingerprint = fingerprint
        self.error_code = ""
        self.outcome = "unknown"
        self.usage_source = "none"
        self.price_version = ""

    @property
    def cost_nano_usd(self):
        return self._cost_nano_usd if self._priced else None

    @cost_nano_usd.setter
    def cost_nano_usd(self, value):
        self._cost_nano_usd = 0 if value is None else whole(value)
        self._priced = value is not None

    cpdef object estimate(self, int64_t input_tokens, int64_t output_tokens):
        self.usage_source = "estimated"
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens

    def itemise(
        self, int64_t input_tokens, int64_t output_tokens, int64_t cached_input_tokens, int64_t cache_write_tokens,
        int64_t cache_write_1h_tokens, int64_t reasoning_tokens, int64_t input_audio_tokens, int64_t output_audio_tokens,
        int64_t input_image_tokens, int64_t output_image_tokens, dict other_usage, /,
    ):
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.cached_input_tokens = cached_input_tokens
        self.cache_write_5m_tokens = cache_write_tokens - cache_write_1h_tokens
        self.cache_write_1h_tokens = cache_write_1h_tokens
        self.reasoning_tokens = reasoning_tokens
        self.input_audio_tokens = input_audio_tokens
        self.output_audio_tokens = output_audio_tokens
        self.input_image_tokens = input_image_tokens
        self.output_image_tokens = output_image_tokens
        self.other_usage = other_usage

    def charge(self, cost_nano_usd, str price_version not None, /):
        self.cost_nano_usd = cost_nano_usd
        self.price_version = price_version

    cpdef object settle(
        self, int64_t status, str usage_source, int64_t latency_ns, int64_t first_token_ns, int64_t overhead_ns
    ):
        self.outcome = "settled"
        self.status = status
        self.usage_source = usage_source
        self.latency_ns = latency_ns
        self.first_token_ns = first_token_ns
        self.overhead_ns = overhead_ns

    def encode(self):
        cdef RecordBuffer buffer = RecordBuffer.__new__(RecordBuffer)
        cdef Py_ssize_t size = buffer.pack(self)
        return PyBytes_FromStringAndSize(<const char*>buffer.data, size)


@cython.final
@cython.no_gc
cdef class RecordBuffer:
    def __dealloc__(self):
        free(self.data)

    cdef Py_ssize_t pack(self, LedgerRecord record) except -1:
        # First all that can fail: every text as UTF-8, every map looked through, room for the whole. Then only bytes are copied.
        cdef Text texts[TEXTS]
        cdef Py_ssize_t most_bytes = FIELDS * MAX_HEAD_BYTES + MAX_HEAD_BYTES
        cdef uint8_t* data
        cdef int number
        find_texts(record, texts)
        for number in range(TEXTS):
            most_bytes += texts[number].size
        if record.other_usage is not None:
            most_bytes += most_bytes_of(record.other_usage)
        if record.metadata is not None:
            most_bytes += most_bytes_of(record.metadata)
        if most_bytes > self._room_bytes:
            if most_bytes > MAX_BYTES:
                raise ValueError(f"a record of up to {most_bytes} bytes is no ledger record")
            data = <uint8_t*>realloc(self.data, most_bytes)
            if data == NULL:
                raise MemoryError
            self.data = data
            self._room_bytes = most_bytes
        return put_record(self.data, record, texts) - self.data


cdef int find_texts(LedgerRecord record, Text* texts) except -1:
    find_text(<PyObject*>record.request_id, &texts[0])
    find_text(<PyObject*>record.key, &texts[1])
    find_text(<PyObject*>record.user, &texts[2])
    find_text(<PyObject*>record.team, &texts[3])
    find_text(<PyObject*>record.alias, &texts[4])
    find_text(<PyObject*>record.target, &texts[5])
    find_text(<PyObject*>record.provider, &texts[6])
    find_text(<PyObject*>record.region, &texts[7])
    find_text(<PyObject*>record.dialect, &texts[8])
    find_text(<PyObject*>record.operation, &texts[9])
    find_text(<PyObject*>record.error_code, &texts[10])
    find_text(<PyObject*>record.outcome, &texts[11])
    find_text(<PyObject*>record.usage_source, &texts[12])
    find_text(<PyObject*>record.price_version, &texts[13])
    return 0


cdef inline int find_text(PyObject* value, Text* text) except -1:
    text.start = utf8(value, &text.size)
    return 0


cdef Py_ssize_t most_bytes_of(dict items) except -1:
    # Also proves that a later look at the same map cannot fail.
    cdef Py_ssize_t at = 0, total = 0
    cdef PyObject* name = NULL
    cdef PyObject* value = NULL
    cdef Text text
    while PyDict_Next(items, &at, &name, &value):
        find_text(name, &text)
        total += text.size + 2 * MAX_HEAD_BYTES
        if isinstance(<object>value, str):
            find_text(value, &text)
            total += text.size
        else:
            whole(<object>value)     # refuses what is no int64
    return total


cdef Out put_record(Out at, LedgerRecord record, Text* texts) except NULL:
    cdef int number
    at[0] = ARRAY_16
    store_big_endian(at + 1, FIELDS, 2)
    at = put_int(at + 3, record.id)
    at = put_text(at, &texts[0])
    at = put_int(at, record.started_ns)
    for number in range(1, 10):
        at = put_text(at, &texts[number])
    at[0] = TRUE_BYTE if record.streaming else FALSE_BYTE
    at = put_int(at + 1, record.status)
    for number in range(10, 13):
        at = put_text(at, &texts[number])
    at = put_int(at, record.attempts)
    at = put_int(at, record.input_tokens)
    at = put_int(at, record.cached_input_tokens)
    at = put_int(at, record.cache_write_5m_tokens)
    at = put_int(at, record.cache_write_1h_tokens)
    at = put_int(at, record.output_tokens)
    at = put_int(at, record.reasoning_tokens)
    at = put_int(at, record.input_audio_tokens)
    at = put_int(at, record.output_audio_tokens)
    at = put_int(at, record.input_image_tokens)
    at = put_int(at, record.output_image_tokens)
    at = put_map(at, record.other_usage)
    at = put_int(at, record._cost_nano_usd) if record._priced else put_nil(at)
    at = put_text(at, &texts[13])
    at = put_int(at, record.latency_ns)
    at = put_int(at, record.first_token_ns)
    at = put_int(at, record.overhead_ns)
    at = put_map(at, record.metadata)
    at = put_int(at, record.fingerprint)
    return put_int(at, record.worker)


cdef inline Out put_nil(Out at) noexcept nogil:
    at[0] = NIL
    return at + 1


cdef inline Out put_number(Out at, int code, uint64_t bits, int bytes) noexcept nogil:
    at[0] = <uint8_t>code
    store_big_endian(at + 1, bits, bytes)
    return at + 1 + bytes


cdef inline Out put_int(Out at, int64_t value) noexcept nogil:
    cdef uint64_t bits = <uint64_t>value
    if -32 <= value < 128:
        at[0] = <uint8_t>bits
        return at + 1
    if value >= 0:
        if bits < 0x100:
            return put_number(at, 0xCC, bits, 1)
        if bits < 0x10000:
            return put_number(at, 0xCD, bits, 2)
        if bits <= UINT32_MAX:
            return put_number(at, 0xCE, bits, 4)
        return put_number(at, 0xCF, bits, 8)
    if value >= -0x80:
        return put_number(at, 0xD0, bits, 1)
    if value >= -0x8000:
        return put_number(at, 0xD1, bits, 2)
    if value >= INT32_MIN:
        return put_number(at, 0xD2, bits, 4)
    return put_number(at, 0xD3, bits, 8)


cdef inline Out put_text(Out at, Text* text) noexcept nogil:
    cdef Py_ssize_t size = text.size
    if size < 32:
        at[0] = <uint8_t>(0xA0 | size)
        at += 1
    elif size < 0x100:
        at = put_number(at, 0xD9, size, 1)
    elif size < 0x10000:
        at = put_number(at, 0xDA, size, 2)
    else:
        at = put_number(at, 0xDB, size, 4)
    memcpy(at, text.start, size)
    return at + size


cdef Out put_map(Out at, dict items) except NULL:
    cdef Py_ssize_t position = 0
    cdef PyObject* name = NULL
    cdef PyObject* value = NULL
    cdef Text text
    cdef Py_ssize_t size
    if items is None:
        return put_nil(at)
    size = len(items)
    if size < 16:
        at[0] = <uint8_t>(0x80 | size)
        at += 1
    else:
        at = put_number(at, 0xDE, size, 2) if size < 0x10000 else put_number(at, 0xDF, size, 4)
    while PyDict_Next(items, &position, &name, &value):
        find_text(name, &text)
        at = put_text(at, &text)
        if isinstance(<object>value, str):
            find_text(value, &text)
            at = put_text(at, &text)
        else:
            at = put_int(at, whole(<object>value))
    return at
