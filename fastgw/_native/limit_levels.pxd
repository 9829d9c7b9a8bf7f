# The arithmetic of limits: rows of a set, what a look at one finds, and exact levels. Header only.
#
# Invariant: a level is kept in units times the period in ns, 128 bits wide; nothing is rounded.
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint64_t

from fastgw._native.counter_map cimport CounterSlot, Digest

cdef extern from *:
    """
    typedef __int128 fastgw_wide;
    """
    ctypedef long long wide "fastgw_wide"

cdef struct Check:
    Digest key
    int32_t hint               # where its slot was last
    int kind
    int mode
    int group
    int64_t limit
    int64_t period_ns
    int64_t burst
    int64_t until_ns
    int past                   # the earlier slices of a window that rolls: from here
    int past_end               # to here among the set's

cdef struct Past:
    Digest key
    int32_t hint

cdef struct Look:              # what one check finds, and what it would leave
    int32_t slot
    bint fits
    wide level
    wide spent                 # of money: in the whole window
    wide held


cdef inline wide ceil_of(wide amount, wide by) noexcept nogil:
    return (amount + by - 1) // by if amount > 0 else 0


cdef inline wide capped(wide level, Check* check) noexcept nogil:
    # A level is at most full, and owes at most as much as a bucket can hold: who lies about its use locks nobody out for good.
    cdef wide most = <wide>check.burst * check.period_ns
    if level > most:
        return most
    return level if level > -most else -most


cdef inline wide level_at(Check* check, CounterSlot* slot, int64_t now_ns) noexcept nogil:
    # Full when it was never used. A time before the last one adds nothing.
    cdef wide most = <wide>check.burst * check.period_ns
    cdef wide level
    if slot.at_ns == 0:
        return most
    level = (<wide>slot.value_high << 64) | <wide><uint64_t>slot.value
    if now_ns > slot.at_ns:
        level += <wide>(now_ns - slot.at_ns) * check.limit
    return capped(level, check)


cdef inline int64_t pause_ns(Check* check, CounterSlot* slot, int64_t now_ns) noexcept nogil:
    # How long a call must wait. A pause with a period lets one call through in each.
    cdef int64_t left_ns = slot.value - now_ns
    cdef int64_t since_ns = now_ns - slot.at_ns
    if left_ns <= 0 or (check.period_ns and since_ns >= check.period_ns):
        return 0
    return min(left_ns, check.period_ns - max(since_ns, 0)) if check.period_ns else left_ns


cdef inline int64_t saturated(wide amount) noexcept nogil:
    return <int64_t>amount if amount < INT64_MAX else INT64_MAX
