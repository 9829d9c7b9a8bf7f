# One coarse timer wheel for every deadline of a worker.
#
# A timer is a base class, not an object of its own: a connection *is* its timer, so arming costs a store. A listed timer whose
# deadline moved later is left where it is and listed again when its slot comes up; only an earlier deadline moves it at once.
# Wheel and timers borrow each other (no reference either way, so no cycle for the collector): a timer takes itself out when it
# is freed, a wheel that is freed lets go of its timers. Fires at most one tick late.
cimport cython
from libc.stdlib cimport calloc, free

cdef enum:
    SLOTS = 1024


cdef class Timer:
    def __dealloc__(self):
        self.unlist()

    cdef void arm(self, TimerWheel wheel, long long deadline_ns) noexcept:
        cdef long long tick = deadline_ns // wheel.tick_ns + 1
        self._deadline_ns = max(deadline_ns, 1)
        if self._wheel != NULL:
            if self._wheel == <void*>wheel and self._slot_tick <= tick:
                return
            self.unlist()
        wheel._list(self)

    cdef void disarm(self) noexcept:
        self._deadline_ns = 0

    cdef void unlist(self) noexcept:
        cdef TimerWheel wheel
        if self._wheel == NULL:
            return
        wheel = <TimerWheel>self._wheel
        if self._previous != NULL:
            (<Timer>self._previous)._next = self._next
        else:
            wheel._slots[self._slot_tick % SLOTS] = self._next
        if self._next != NULL:
            (<Timer>self._next)._previous = self._previous
        self._previous = NULL
        self._next = NULL
        self._wheel = NULL
        wheel.listed -= 1

    cdef object expired(self, long long now_ns):
        return None


@cython.final
cdef class TimerWheel:
    def __cinit__(self, long long tick_ns=20_000_000):
        if tick_ns <= 0:
            raise ValueError(f"tick_ns: expected a positive number, got {tick_ns}")
        self.tick_ns = tick_ns
        self._slots = <void**>calloc(SLOTS, sizeof(void*))
        if self._slots == NULL:
            raise MemoryError()
        self._next_tick = monotonic_ns() // tick_ns

    def __dealloc__(self):
        cdef Py_ssize_t slot
        if self._slots != NULL:
            for slot in range(SLOTS):
                while self._slots[slot] != NULL:
                    (<Timer>self._slots[slot]).unlist()
            free(self._slots)

    cdef void _list(self, Timer timer) noexcept:
        # An overdue deadline goes to the next slot to be looked at; one beyond the wheel's turn to its last, to be listed again.
        cdef long long tick = timer._deadline_ns // self.tick_ns + 1
        cdef void* head
        if tick < self._next_tick:
            tick = self._next_tick
        elif tick > self._next_tick + SLOTS - 2:
            tick = self._next_tick + SLOTS - 2  # never the slot that `advance` is emptying
        timer._slot_tick = tick
        timer._wheel = <void*>self
        head = self._slots[tick % SLOTS]
        timer._next = head
        timer._previous = NULL
        if head != NULL:
            (<Timer>head)._previous = <void*>timer
        self._slots[tick % SLOTS] = <void*>timer
        self.listed += 1
        if self._handle is None and self._loop is not None:
            self._wake()

    cdef object _wake(self):
        self._handle = self._loop.call_later(self.tick_ns / 1e9, self._tick)

    def _tick(self):
        self._handle = None
        try:
            self.advance(monotonic_ns())
        finally:
            if self.listed and self._handle is None and self._loop is not None:
                self._wake()

    def start(self, loop):
        self._loop = loop
        if self.listed and self._handle is None:
            self._wake()

    def call_soon(self, callback):
        if self._loop is not None:
            self._loop.call_soon(callback)

    def stop(self):
        self._loop = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    cpdef int advance(self, long long now_ns) except -1:
        cdef long long now_tick = now_ns // self.tick_ns
        cdef int fired = 0
        if not self.listed:
            self._next_tick = now_tick + 1
            return 0
        if self._next_tick + SLOTS <= now_tick:
            self._next_tick = now_tick + 1 - SLOTS      # after a long rest: one turn passes every slot
        while self._next_tick <= now_tick:
            self._next_tick += 1
            try:
                fired += self._empty(self._next_tick - 1, now_ns)
            except BaseException:
                self._next_tick -= 1                    # the others of this slot are not to wait for a whole turn
                raise
        return fired

    cdef int _empty(self, long long tick, long long now_ns) except -1:
        cdef int fired = 0
        cdef void* head
        cdef Timer timer
        while True:
            head = self._slots[tick % SLOTS]
            if head == NULL:
                return fired
            timer = <Timer>head
            timer.unlist()
            if timer._deadline_ns == 0:
                continue
            if timer._deadline_ns <= now_ns:
                timer._deadline_ns = 0
                fired += 1
                timer.expired(now_ns)
            else:
                self._list(timer)


@cython.final
cdef class CallbackTimer(Timer):
    cdef object _callback

    def __cinit__(self, callback):
        self._callback = callback

    cdef object expired(self, long long now_ns):
        return self._callback(now_ns)

    def arm_at(self, TimerWheel wheel, long long deadline_ns):
        self.arm(wheel, deadline_ns)

    def cancel(self):
        self.disarm()
