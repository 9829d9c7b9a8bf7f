# The price of a row as one weighted sum of its counts: what `spend.price` compiles for a stretch of time, put to work.
#
# Invariant: the same nano-USD as exact integers give. A price for which 128 bits might not do is refused when it is made, and a row
# whose counts it cannot know exactly is left alone: both are priced the slow way, by whoever asked.
cimport cython
from libc.stdint cimport INT32_MAX, int64_t
from fastgw._native.ledger_record cimport LedgerRecord

cdef extern from *:
    """
    #include <stdint.h>
    /* floor((sum of weight * count * ratio + half) / divisor). The caller has proven that it fits; see PriceSum. */
    static inline int64_t fastgw_rounded_sum(
        const int64_t *weights, const int64_t *counts, int length, int64_t ratio, int64_t divisor
    ) {
        __int128 total = 0;
        for (int unit = 0; unit < length; unit++)
            total += (__int128)weights[unit] * counts[unit];
        total = total * ratio + divisor / 2;
        if (total >= 0 && total <= INT64_MAX)
            return (int64_t)total / divisor;
        __int128 quotient = total / divisor;
        return (int64_t)(quotient - (total < 0 && quotient * divisor != total));
    }
    """
    int64_t rounded_sum "fastgw_rounded_sum"(
        const int64_t* weights, const int64_t* counts, int length, int64_t ratio, int64_t divisor
    ) noexcept nogil

# Of anything in a row: all cache writes are the sum of two counts.
_MAX_COUNT = 2 * ((1 << 31) - 1)
_LAST_WIDE = (1 << 127) - 1
_LAST_INT64 = (1 << 63) - 1


@cython.final
cdef class PriceSum:
    def __cinit__(self, tiers, ratio, divisor, *, str version not None, int64_t from_ns, int64_t until_ns):
        tiers = tuple(tiers)
        if not 1 <= len(tiers) <= MAX_TIERS or ratio < 0 or divisor < 1:
            raise ValueError(f"expected 1 to {MAX_TIERS} tiers, a ratio and a divisor, got {len(tiers)}, {ratio} and {divisor}")
        for above_input_tokens, weights in tiers:
            if len(weights) != UNITS:
                raise ValueError(f"expected {UNITS} weights, got {len(weights)}")
            # The largest that any row can make of the sum, and of what is then divided.
            wide = sum(map(abs, weights)) * _MAX_COUNT
            most = wide * ratio + divisor
            if max(wide, most) > _LAST_WIDE or most // divisor + 1 > _LAST_INT64:
                raise ValueError(f"a cost by these weights may take more than 64 bits, or its sum more than 128: {weights}")
            self._above_input_tokens[self._tiers] = above_input_tokens
            for unit in range(UNITS):
                self._weights[self._tiers][unit] = weights[unit]
            self._tiers += 1
            self._knows_5m = self._knows_5m or weights[WRITE_5M] != 0
        self._ratio = ratio
        self._divisor = divisor
        self._version = version
        self._from_ns = from_ns
        self._until_ns = until_ns

    cpdef bint charge(self, LedgerRecord row) except -1:
        cdef int64_t counts[UNITS]
        cdef int tier = 0
        cdef int unit
        if row is None:
            raise TypeError("expected a row")
        if not self._from_ns <= row.started_ns < self._until_ns or row.other_usage is not None:
            return False
        # A row counts writes of no stated life as those of 5 minutes; only a price of exactly these would have to tell them apart.
        if self._knows_5m and row.cache_write_5m_tokens != 0:
            return False
        counts[0] = row.input_tokens
        counts[1] = row.output_tokens
        counts[2] = row.cached_input_tokens
        counts[WRITE] = 0
        counts[WRITE_5M] = row.cache_write_5m_tokens
        counts[WRITE_1H] = row.cache_write_1h_tokens
        counts[6] = row.reasoning_tokens
        counts[7] = row.input_audio_tokens
        counts[8] = row.output_audio_tokens
        counts[9] = row.input_image_tokens
        counts[10] = row.output_image_tokens
        counts[11] = 1
        for unit in range(UNITS):
            if not 0 <= counts[unit] <= INT32_MAX:
                return False
        counts[WRITE] = counts[WRITE_5M] + counts[WRITE_1H]
        counts[WRITE_5M] = 0
        while tier < self._tiers - 1 and counts[0] <= self._above_input_tokens[tier]:
            tier += 1
        row._cost_nano_usd = rounded_sum(self._weights[tier], counts, UNITS, self._ratio, self._divisor)
        row._priced = True
        row.price_version = self._version
        return True
