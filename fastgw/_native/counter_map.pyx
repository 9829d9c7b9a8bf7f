# The memory that the workers of a machine count in: slots, holds, one lock, and a record that makes changes whole.
#
# Invariant: whoever has the lock sees every change whole or not at all, whatever process was killed where. Layout: header (mutex,
# commit word, staged values), slots, holds. Nothing here knows what a counter means.
cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memcpy, memset

import mmap
import os

cdef extern from "<errno.h>" nogil:
    int EOWNERDEAD

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_mutexattr_t:
        pass
    int PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_ROBUST
    int pthread_mutexattr_init(pthread_mutexattr_t*)
    int pthread_mutexattr_setpshared(pthread_mutexattr_t*, int)
    int pthread_mutexattr_setrobust(pthread_mutexattr_t*, int)
    int pthread_mutex_init(pthread_mutex_t*, pthread_mutexattr_t*)
    int pthread_mutex_lock(pthread_mutex_t*)
    int pthread_mutex_unlock(pthread_mutex_t*)
    int pthread_mutex_consistent(pthread_mutex_t*)

cdef extern from *:
    """
    #define FASTGW_STORE(at, value) __atomic_store_n(at, value, __ATOMIC_SEQ_CST)
    """
    void store "FASTGW_STORE"(int64_t* at, int64_t value) noexcept nogil

cdef enum:
    HEADER_BYTES = 16384
    PROBES = 64                # places where a counter may be
    MAX_WORKERS = 256

cdef int64_t MAX_TIME_NS = <int64_t>1 << 62
cdef int64_t MAX_HIGH = <int64_t>1 << 24     # of the upper half of a level, which is below 2**87
cdef int64_t LAYOUT = 0x0001_6677_0000_0000   # changes with the meaning of a slot

cdef struct Staged:
    int64_t offset
    int64_t value

cdef struct Header:
    pthread_mutex_t mutex
    int64_t layout             # of a file: LAYOUT and the number of slots
    int64_t committed          # how many of the staged values are to be written: the word that makes a change valid
    int64_t lives[MAX_WORKERS]  # of each worker, 0 when it is dead
    Staged staged[MAX_STAGED]


@cython.final
cdef class CounterMap:
    def __cinit__(self, int slots, int workers, int holds_per_worker, int fd=-1):
        cdef pthread_mutexattr_t kind
        cdef Py_ssize_t size
        if slots < PROBES or slots & (slots - 1) or not 0 < workers <= MAX_WORKERS or holds_per_worker < 1:
            raise ValueError(f"expected a power of two from {PROBES} on, 1 to {MAX_WORKERS} workers, and a hold for each")
        size = HEADER_BYTES + slots * <Py_ssize_t>sizeof(CounterSlot) + workers * holds_per_worker * <Py_ssize_t>sizeof(Hold)
        if fd >= 0:
            os.ftruncate(fd, size)
        self._memory = mmap.mmap(fd, size)
        PyObject_GetBuffer(self._memory, &self._view, PyBUF_WRITABLE)
        self._base = <char*>self._view.buf
        self._slots = <CounterSlot*>(self._base + HEADER_BYTES)
        self._holds = <Hold*>(self._slots + slots)
        self._mask = slots - 1
        self.workers = workers
        self.holds_per_worker = holds_per_worker
        self._keep_buckets(slots, size)
        pthread_mutexattr_init(&kind)
        pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED)
        pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST)
        if pthread_mutex_init(&(<Header*>self._base).mutex, &kind):
            raise OSError("no mutex that processes can share")

    def __dealloc__(self):
        if self._base != NULL:
            PyBuffer_Release(&self._view)

    cdef int _keep_buckets(self, Py_ssize_t slots, Py_ssize_t size) except -1:
        # What a file still has of an earlier run: levels of buckets. Holds are over, and what was spent the ledger knows.
        cdef Header* header = <Header*>self._base
        cdef CounterSlot* kept = <CounterSlot*>PyMem_Malloc(slots * sizeof(CounterSlot))
        cdef CounterSlot* slot
        cdef Py_ssize_t i, count = 0
        cdef int64_t offset
        if kept == NULL:
            raise MemoryError
        if header.layout == LAYOUT + slots:
            for i in range(min(header.committed, <int64_t>MAX_STAGED)):
                offset = header.staged[i].offset
                if HEADER_BYTES <= offset <= <char*>self._holds - self._base - 8 and offset % 8 == 0:
                    (<int64_t*>(self._base + offset))[0] = header.staged[i].value
            for i in range(slots):
                slot = &self._slots[i]
                # Whatever else is there: arithmetic on levels and times must stay in its range.
                if slot.key.low and 0 < slot.at_ns < MAX_TIME_NS and -MAX_HIGH < slot.value_high < MAX_HIGH:
                    slot.held = slot.holds = 0
                    kept[count] = slot[0]
                    count += 1
        memset(self._base, 0, size)
        header.layout = LAYOUT + slots
        for i in range(count):
            offset = self.find(kept[i].key, -1, 0)
            if offset >= 0:
                self._slots[offset] = kept[i]
        PyMem_Free(kept)
        return 0

    # --- changes --------------------------------------------------------------------------------------------------------------

    # Nothing that can raise is done with the lock held: a mutex that is never unlocked is one that its process takes along.
    cdef int lock(self) except -1:
        cdef Header* header = <Header*>self._base
        cdef int problem = pthread_mutex_lock(&header.mutex)
        if problem == EOWNERDEAD:
            pthread_mutex_consistent(&header.mutex)
            self._redo()
        elif problem:
            raise OSError(problem, "the lock of the counters cannot be taken")
        self._staged = 0
        return 0

    cdef void unlock(self) noexcept:
        pthread_mutex_unlock(&(<Header*>self._base).mutex)

    cdef void stage(self, int64_t* at, int64_t value) noexcept:
        cdef Staged* staged = &(<Header*>self._base).staged[self._staged]
        staged.offset = <char*>at - self._base
        staged.value = value
        self._staged += 1

    cdef void commit(self) noexcept:
        store(&(<Header*>self._base).committed, self._staged)
        self._redo()

    cdef void drop(self) noexcept:
        self._staged = 0

    cdef void _redo(self) noexcept:
        # Writing a value twice changes nothing, so it does not matter how far a dead owner came.
        cdef Header* header = <Header*>self._base
        cdef int64_t i
        for i in range(header.committed):
            (<int64_t*>(self._base + header.staged[i].offset))[0] = header.staged[i].value
        store(&header.committed, 0)
        self._staged = 0

    cdef int32_t seek(self, Digest key, int32_t hint) noexcept:
        cdef uint32_t at = <uint32_t>key.low & self._mask
        cdef CounterSlot* slot
        cdef int _probe
        if hint >= 0 and self._slots[hint].key.low == key.low and self._slots[hint].key.high == key.high:
            return hint
        for _probe in range(PROBES):
            slot = &self._slots[at]
            if slot.key.low == key.low and slot.key.high == key.high:
                return <int32_t>at
            if slot.key.low == 0:
                break
            at = (at + 1) & self._mask
        return -1

    cdef int32_t find(self, Digest key, int32_t hint, int64_t now_ns) noexcept:
        cdef int32_t found = self.seek(key, hint)
        cdef uint32_t at = <uint32_t>key.low & self._mask
        cdef CounterSlot* slot
        cdef int _probe
        if found >= 0:
            return found
        for _probe in range(PROBES):
            slot = &self._slots[at]
            if slot.holds == 0 and slot.until_ns <= now_ns:
                # What stood there may be forgotten, so a kill between these lines leaves nothing that counts.
                slot.until_ns = now_ns + 1
                slot.value = slot.value_high = slot.held = slot.at_ns = 0
                slot.key = key
                return <int32_t>at
            at = (at + 1) & self._mask
        return -1

    # --- for those who keep the books -----------------------------------------------------------------------------------------

    def put(self, bytes key not None, int64_t value, int64_t until_ns, int64_t now_ns):
        return self._write(digest_of(key), value, until_ns, now_ns, False)

    def add(self, bytes key not None, int64_t value, int64_t until_ns, int64_t now_ns):
        return self._write(digest_of(key), value, until_ns, now_ns, True)

    cdef bint _write(self, Digest key, int64_t value, int64_t until_ns, int64_t now_ns, bint adds) except -1:
        cdef int32_t at
        cdef CounterSlot* slot
        self.lock()
        at = self.find(key, -1, now_ns)
        if at >= 0:
            slot = &self._slots[at]
            self.stage(&slot.value, slot.value + value if adds else value)
            self.stage(&slot.until_ns, until_ns)
            self.commit()
        self.unlock()
        return at >= 0

    def get(self, bytes key not None):
        cdef Digest wanted = digest_of(key)
        cdef int64_t value = 0, held = 0
        cdef int32_t at
        self.lock()
        at = self.seek(wanted, -1)
        if at >= 0:
            value, held = self._slots[at].value, self._slots[at].held
        self.unlock()
        return (value, held) if at >= 0 else None

    def begin_life(self, int worker, int64_t life):
        self._arena(worker)
        store(&(<Header*>self._base).lives[worker], life)

    def orphans(self, int worker):
        cdef Hold* holds = self._arena(worker)
        cdef set found = set()
        cdef int i
        self.lock()
        try:
            for i in range(self.holds_per_worker):
                if holds[i].call and holds[i].life != (<Header*>self._base).lives[worker]:
                    found.add((holds[i].life, holds[i].call))
        finally:
            self.unlock()
        return sorted(found)

    def resolve(self, int worker, int64_t call, int64_t nano_usd):
        cdef Hold* holds = self._arena(worker)
        cdef CounterSlot* slot
        cdef int i
        cdef int found = 0
        if call == 0:
            return 0
        self.lock()
        for i in range(self.holds_per_worker):
            if holds[i].call != call:
                continue
            # One at a time: a kill in between leaves the others to be found again.
            slot = &self._slots[holds[i].slot]
            self.stage(&slot.held, slot.held - holds[i].amount)
            self.stage(&slot.holds, slot.holds - 1)
            if holds[i].is_money:
                self.stage(&slot.value, slot.value + nano_usd)
            self.stage(&holds[i].call, 0)
            self.commit()
            found += 1
        self.unlock()
        return found

    def held(self):
        cdef int64_t count = 0, nano_usd = 0
        cdef Py_ssize_t i
        self.lock()
        for i in range(<Py_ssize_t>self.workers * self.holds_per_worker):
            if self._holds[i].call:
                count += 1
                nano_usd += self._holds[i].amount if self._holds[i].is_money else 0
        self.unlock()
        return count, nano_usd

    cdef Hold* _arena(self, int worker) except NULL:
        if not 0 <= worker < self.workers:
            raise IndexError(f"worker: expected 0..{self.workers - 1}, got {worker}")
        return self._holds + <Py_ssize_t>worker * self.holds_per_worker


cdef Digest digest_of(bytes key) except *:
    cdef Digest digest
    if len(key) != sizeof(Digest):
        raise ValueError(f"key: expected {sizeof(Digest)} bytes, got {len(key)}")
    memcpy(&digest, <const char*>key, sizeof(Digest))
    if digest.low == 0:
        digest.low = 1
    return digest
