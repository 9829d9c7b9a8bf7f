from libc.stdint cimport int64_t, uint8_t


cdef class LedgerRecord:
    cdef public int64_t id
    cdef public str request_id
    cdef public int64_t started_ns
    cdef public str key
    cdef public str user
    cdef public str team
    cdef public str alias
    cdef public str target
    cdef public str provider
    cdef public str region
    cdef public str dialect
    cdef public str operation
    cdef public bint streaming
    cdef public int64_t status
    cdef public str error_code
    cdef public str outcome
    cdef public str usage_source
    cdef public int64_t attempts
    cdef public int64_t input_tokens
    cdef public int64_t cached_input_tokens
    cdef public int64_t cache_write_5m_tokens
    cdef public int64_t cache_write_1h_tokens
    cdef public int64_t output_tokens
    cdef public int64_t reasoning_tokens
    cdef public int64_t input_audio_tokens
    cdef public int64_t output_audio_tokens
    cdef public int64_t input_image_tokens
    cdef public int64_t output_image_tokens
    cdef public dict other_usage
    cdef bint _priced
    cdef int64_t _cost_nano_usd
    cdef public str price_version
    cdef public int64_t latency_ns
    cdef public int64_t first_token_ns
    cdef public int64_t overhead_ns
    cdef public dict metadata
    cdef public int64_t fingerprint
    cdef public int64_t worker
    cpdef object estimate(self, int64_t input_tokens, int64_t output_tokens)
    cpdef object settle(
        self, int64_t status, str usage_source, int64_t latency_ns, int64_t first_token_ns, int64_t overhead_ns
    )


cdef class RecordBuffer:
    # `data` holds the last record packed, until the next one; what `pack` returns is its size.
    cdef uint8_t* data
    cdef Py_ssize_t _room_bytes
    cdef Py_ssize_t pack(self, LedgerRecord record) except -1
