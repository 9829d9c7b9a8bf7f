"""The bytes of a journal record: sizes, checksum, commit word. Shared by the writing and the reading side, header only.

The layout is drawn at the top of ``journal.pyx``; why this checksum is in docs/adr/0002-journal-format.md.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <fcntl.h>
    #include <stdint.h>
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "the journal format is little-endian"
    #endif
    static inline void fastgw_store_release(void *at, uint64_t word) {
        __atomic_store_n((uint64_t *)at, word, __ATOMIC_RELEASE);
    }
    /* Odd (2**64 / golden ratio), so that multiplying by it loses nothing. */
    #define FASTGW_ODD UINT64_C(0x9E3779B97F4A7C15)
    #if defined(__linux__) && defined(SYNC_FILE_RANGE_WRITE)
    static inline int fastgw_start_writeout(int fd) { return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); }
    #else
    static inline int fastgw_start_writeout(int fd) { (void)fd; return 0; }
    #endif
    """
    void store_release "fastgw_store_release"(void *at, uint64_t word) noexcept nogil
    int start_writeout "fastgw_start_writeout"(int fd) noexcept nogil
    const uint64_t ODD "FASTGW_ODD"


cdef enum:
    HEADER_BYTES = 64
    CHECKED_HEADER_BYTES = 40
    SEALED_AT = 40
    RECORD_BYTES = 16
    MAX_PAYLOAD_BYTES = 0xFFFFFF
    READ_BYTES = 65536
    MIN_SEGMENT_BYTES = 4096
    MAX_SEGMENT_BYTES = 1 << 24
    # Sealed segments whose bytes are not known to be on disk; beyond this a rotation waits for the disk.
    MAX_UNSYNCED = 16


cdef inline uint64_t mix(uint64_t state, uint64_t word) noexcept nogil:
    # A bijection of the state for every word, and of the word for every state: a damaged word changes the result.
    state = (state ^ word) * <uint64_t>ODD
    return state ^ (state >> 29)


cdef inline uint64_t checksum(const uint8_t *data, Py_ssize_t length, uint64_t seed) noexcept nogil:
    cdef uint64_t left = seed
    cdef uint64_t right = <uint64_t>ODD  # not of the seed, which must not cancel out when the lanes meet
    cdef uint64_t word
    # Two lanes, because one is bound by the latency of the multiplication.
    while length >= 16:
        memcpy(&word, data, 8)
        left = mix(left, word)
        memcpy(&word, data + 8, 8)
        right = mix(right, word)
        data += 16
        length -= 16
    while length > 0:
        word = 0
        memcpy(&word, data, 8 if length > 8 else length)
        left = mix(left, word)
        data += 8
        length -= 8
    return mix(mix(left, 0), right)


cdef inline uint64_t commit_word(
    uint64_t token, int64_t position, int kind, int64_t id, const uint8_t *payload, Py_ssize_t length
) noexcept nogil:
    # Token and position are part of the sum: a record that was copied elsewhere is not one.
    cdef uint64_t tail = (<uint64_t>kind << 24) | <uint64_t>length
    cdef uint64_t seed = mix(mix(mix(token, <uint64_t>position), <uint64_t>id), tail)
    cdef uint64_t total = checksum(payload, length, seed)
    return ((total ^ (total >> 32)) << 32) | tail


cdef inline Py_ssize_t bytes_of_record(Py_ssize_t length) noexcept nogil:
    return RECORD_BYTES + ((length + 7) & ~7)
