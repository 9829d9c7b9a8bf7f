# The C face of counter_map: see counter_map.pyi for what each name means.
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef struct Digest:
    uint64_t high
    uint64_t low               # not 0: that is a slot which was never used

cdef struct CounterSlot:       # 64 bytes
    Digest key
    int64_t until_ns           # what it says may be forgotten from then on, if nothing is held
    int64_t value              # spent, or the lower half of a bucket's level
    int64_t value_high         # the upper half
    int64_t held
    int64_t at_ns              # when the level was true
    int64_t holds              # how many calls hold something of it, and so keep it from being forgotten

cdef struct Hold:              # 40 bytes; free when the call is 0
    int64_t call
    int64_t life
    int64_t amount
    int32_t slot
    int32_t is_money
    int64_t spare

cdef class CounterMap:
    cdef object _memory
    cdef Py_buffer _view
    cdef char* _base
    cdef CounterSlot* _slots
    cdef Hold* _holds
    cdef uint32_t _mask
    cdef readonly int workers
    cdef readonly int holds_per_worker
    cdef int _staged

    cdef int lock(self) except -1
    cdef void unlock(self) noexcept
    # Inside the lock: a value to be written when `commit` is called. At most MAX_STAGED of them.
    cdef void stage(self, int64_t* at, int64_t value) noexcept
    cdef void commit(self) noexcept
    cdef void drop(self) noexcept
    cdef void _redo(self) noexcept
    cdef Hold* _arena(self, int worker) except NULL
    cdef int _keep_buckets(self, Py_ssize_t slots, Py_ssize_t size) except -1
    cdef bint _write(self, Digest key, int64_t value, int64_t until_ns, int64_t now_ns, bint adds) except -1
    # Inside the lock: the slot of a counter that is there, else -1.
    cdef int32_t seek(self, Digest key, int32_t hint) noexcept
    # Inside the lock: the slot of a counter, or -1 when there is no room for it. A new one is empty, and stays its own for the
    # rest of a change, which has one `now_ns`.
    cdef int32_t find(self, Digest key, int32_t hint, int64_t now_ns) noexcept

cdef enum:
    MAX_STAGED = 512

cdef Digest digest_of(bytes key) except *
