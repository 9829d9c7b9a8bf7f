# Limits that govern one kind of call, taken all or none, and given back once.
#
# Invariant: what a reservation took is given back exactly once, and no sum leaves 128 bits: a limit and a burst are below 2**40, a
# period below 2**47, an amount below 2**62.
cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint64_t

from fastgw._native.counter_map cimport CounterMap, CounterSlot, Hold, digest_of
from fastgw._native.limit_levels cimport Check, Look, Past, capped, ceil_of, level_at, pause_ns, saturated, wide

cdef enum:
    NOT_HELD = -1

cdef int64_t MAX_PERIOD_NS = <int64_t>1 << 47
cdef int64_t MAX_UNITS = <int64_t>1 << 40
cdef int64_t MAX_AMOUNT = <int64_t>1 << 62

cdef void stage_level(CounterMap counter_map, Check* check, CounterSlot* slot, wide level, int64_t now_ns) noexcept:
    cdef wide full_ns = ceil_of(<wide>check.burst * check.period_ns - level, check.limit)
    cdef int64_t at_ns = now_ns if now_ns > slot.at_ns else slot.at_ns
    counter_map.stage(&slot.value, <int64_t><uint64_t>level)
    counter_map.stage(&slot.value_high, <int64_t>(level >> 64))
    counter_map.stage(&slot.at_ns, at_ns)
    counter_map.stage(&slot.until_ns, at_ns + <int64_t>full_ns if full_ns < INT64_MAX - at_ns else INT64_MAX)


@cython.final
cdef class LimitSet:
    def __cinit__(self, rows):
        cdef Check* check
        rows = tuple(rows)
        if len(rows) > MAX_CHECKS:
            raise ValueError(f"expected at most {MAX_CHECKS} limits on one call, got {len(rows)}")
        self._checks = <Check*>PyMem_Calloc(len(rows) + 1, sizeof(Check))
        if self._checks == NULL:
            raise MemoryError
        self._past = <Past*>PyMem_Calloc(sum([max(len(row) - 8, 0) for row in rows]) + 1, sizeof(Past))
        if self._past == NULL:
            raise MemoryError
        for key, kind, mode, group, limit, period_ns, burst, until_ns, *past in rows:
            if kind not in (REQUESTS, TOKENS, CONCURRENT, MONEY, PAUSE) or mode not in (COUNTS, ENFORCES, SOFT):
                raise ValueError(f"kind {kind}, mode {mode}: there are no such")
            if kind in (REQUESTS, TOKENS) and not (
                0 < limit < MAX_UNITS and 0 < burst < MAX_UNITS and 0 < period_ns < MAX_PERIOD_NS
            ):
                raise ValueError(f"a bucket of {limit} in {period_ns} ns with a burst of {burst} cannot be counted exactly")
            if past and kind != MONEY:
                raise ValueError("only money is counted in slices")
            if not (0 <= limit < MAX_AMOUNT and 0 <= period_ns < MAX_AMOUNT):
                raise ValueError(f"limit: expected 0 to {MAX_AMOUNT}, got {limit}")
            check = &self._checks[self.checks]
            check.key = digest_of(key)
            check.hint = -1
            check.kind = kind
            check.mode = mode
            check.group = group
            check.limit = limit
            check.period_ns = period_ns
            check.burst = burst
            check.until_ns = until_ns
            check.past = self._past_count
            for digest in past:
                self._past[self._past_count].key = digest_of(digest)
                self._past[self._past_count].hint = -1
                self._past_count += 1
            check.past_end = self._past_count
            self.checks += 1
            self._holds += check.kind == CONCURRENT or check.kind == MONEY
            self._settles = self._settles or (check.kind != REQUESTS and check.kind != PAUSE)

    def __dealloc__(self):
        PyMem_Free(self._checks)
        PyMem_Free(self._past)


@cython.final
@cython.freelist(128)
cdef class Refusal:
    pass


@cython.final
@cython.freelist(128)
cdef class Reservation:
    cpdef bint grow(self, int64_t nano_usd, int64_t now_ns) except -1:
        # A window may have ended since: what a call holds is of the windows that it began in.
        cdef Look looks[MAX_CHECKS]
        cdef WorkerCounters counters = self._counters
        cdef CounterMap counter_map = counters._map
        cdef Check* check
        cdef CounterSlot* slot
        cdef Hold* hold
        cdef bint fits = True
        cdef int i
        if self.settled or not 0 <= nano_usd < MAX_AMOUNT - self.nano_usd:
            return False
        counter_map.lock()
        for i in range(self._set.checks):
            check = &self._set._checks[i]
            looks[i].fits = True
            if check.kind == MONEY and self._held[i] != NOT_HELD:
                looks[i].slot = counter_map._holds[self._held[i]].slot
                look_at_money(counter_map, self._set, check, &looks[i], nano_usd)
        for i in range(self._set.checks):
            check = &self._set._checks[i]
            fits = fits and (looks[i].fits or check.mode == COUNTS or (check.mode == SOFT and has_room(self._set, looks, i)))
        if fits:
            for i in range(self._set.checks):
                if self._set._checks[i].kind == MONEY and self._held[i] != NOT_HELD:
                    hold = &counter_map._holds[self._held[i]]
                    slot = &counter_map._slots[hold.slot]
                    counter_map.stage(&hold.amount, hold.amount + nano_usd)
                    counter_map.stage(&slot.held, slot.held + nano_usd)
            counter_map.commit()
            self.nano_usd += nano_usd
        counter_map.unlock()
        return fits

    cpdef object settle(self, int64_t tokens, int64_t nano_usd, int64_t now_ns):
        cdef WorkerCounters counters = self._counters
        cdef CounterMap counter_map
        cdef Check* check
        cdef CounterSlot* slot
        cdef Hold* hold
        cdef int32_t at
        cdef int i
        if self.settled:
            return
        self.settled = True
        if not self._set._settles:
            return
        if tokens < 0 or nano_usd < 0:
            raise ValueError("nobody is paid for a call")
        counter_map = counters._map
        counter_map.lock()
        for i in range(self._set.checks):
            check = &self._set._checks[i]
            at = self._held[i]
            if check.kind == TOKENS:
                at = counter_map.find(check.key, check.hint, now_ns)
                if at >= 0 and tokens != self._tokens:
                    slot = &counter_map._slots[at]
                    stage_level(
                        counter_map, check, slot,
                        capped(level_at(check, slot, now_ns) + (<wide>self._tokens - tokens) * check.period_ns, check), now_ns
                    )
            elif at != NOT_HELD:
                hold = &counter_map._holds[at]
                slot = &counter_map._slots[hold.slot]
                counter_map.stage(&slot.held, slot.held - hold.amount)
                counter_map.stage(&slot.holds, slot.holds - 1)
                if check.kind == MONEY:
                    counter_map.stage(&slot.value, slot.value + nano_usd)
                counter_map.stage(&hold.call, 0)
                counters._free[counters._free_count] = at
                counters._free_count += 1
        counter_map.commit()
        counter_map.unlock()


@cython.final
cdef class WorkerCounters:
    def __cinit__(self, CounterMap counter_map not None, int worker, int64_t life):
        counter_map._arena(worker)
        if life == 0:
            raise ValueError("life: expected another number than 0")
        self._map = counter_map
        self._worker = worker
        self.life = life
        self._free = <int32_t*>PyMem_Malloc(counter_map.holds_per_worker * sizeof(int32_t))
        if self._free == NULL:
            raise MemoryError
        counter_map.begin_life(worker, life)
        counter_map.lock()
        self._find_free()
        counter_map.unlock()

    def __dealloc__(self):
        PyMem_Free(self._free)

    @property
    def counters(self):
        return self._map

    cpdef object reserve(self, LimitSet limits, int64_t call, int64_t tokens, int64_t nano_usd, int64_t now_ns):
        cdef Look looks[MAX_CHECKS]
        cdef CounterMap counter_map = self._map
        cdef Refusal refusal
        cdef Reservation taken
        cdef bint refused
        if limits is None or call == 0:
            raise ValueError("expected limits, and a call that is not 0")
        if not (0 <= tokens < MAX_UNITS and 0 <= nano_usd < MAX_AMOUNT):
            raise ValueError(f"{tokens} tokens for {nano_usd} nano-USD: no call is that large")
        taken = Reservation.__new__(Reservation)
        taken._counters = self
        taken._set = limits
        taken._tokens = tokens
        taken.nano_usd = nano_usd
        refusal = Refusal.__new__(Refusal)
        counter_map.lock()
        if self._free_count < limits._holds:
            self._find_free()
        self._look(limits, looks, tokens, nano_usd, now_ns)
        refused = self._refuse(refusal, limits, looks, tokens, now_ns)
        if not refused:
            self._take(taken, looks, call, now_ns)
            counter_map.commit()
        counter_map.unlock()
        return refusal if refused else taken

    cdef void _find_free(self) noexcept:
        # Also what earlier lives of this worker held, and the bookkeeper has freed.
        cdef int per_worker = self._map.holds_per_worker
        cdef int32_t at
        self._free_count = 0
        for at in range((self._worker + 1) * per_worker - 1, self._worker * per_worker - 1, -1):
            if self._map._holds[at].call == 0:
                self._free[self._free_count] = at
                self._free_count += 1

    cdef void _look(self, LimitSet limits, Look* looks, int64_t tokens, int64_t nano_usd, int64_t now_ns) noexcept:
        cdef Check* check
        cdef CounterSlot* slot
        cdef int i
        for i in range(limits.checks):
            check = &limits._checks[i]
            if check.kind == PAUSE:
                looks[i].slot = check.hint = self._map.seek(check.key, check.hint)
                looks[i].fits = pause_ns(check, &self._map._slots[looks[i].slot], now_ns) == 0 if looks[i].slot >= 0 else True
                continue
            looks[i].slot = check.hint = self._map.find(check.key, check.hint, now_ns)
            if looks[i].slot < 0:
                # Nothing can be counted: money must not go uncounted, all else may.
                looks[i].fits = check.kind != MONEY
                continue
            slot = &self._map._slots[looks[i].slot]
            if check.kind == CONCURRENT:
                looks[i].fits = slot.held < check.limit
            elif check.kind == MONEY:
                look_at_money(self._map, limits, check, &looks[i], nano_usd)
            else:
                looks[i].level = level_at(check, slot, now_ns) - <wide>(tokens if check.kind == TOKENS else 1) * check.period_ns
                looks[i].fits = looks[i].level >= 0

    cdef bint _refuse(self, Refusal found, LimitSet limits, Look* looks, int64_t tokens, int64_t now_ns) noexcept:
        # Whether anything refuses; then what it says is in `found`.
        cdef bint refuses = False
        cdef Check* check
        cdef CounterSlot* slot
        cdef wide wait_ns
        cdef int64_t room
        cdef int i
        if self._free_count < limits._holds:
            found.full = True
            found.room_nano_usd = -1
            return True
        for i in range(limits.checks):
            check = &limits._checks[i]
            if looks[i].fits or check.mode == COUNTS or (check.mode == SOFT and has_room(limits, looks, i)):
                continue
            slot = &self._map._slots[looks[i].slot] if looks[i].slot >= 0 else NULL
            if not refuses:
                refuses = True
                found.index = i
                found.full = slot == NULL
                found.room_nano_usd = INT64_MAX
                if slot != NULL:
                    found.held = saturated(looks[i].held) if check.kind == MONEY else 0
                    found.used = saturated(looks[i].spent) if check.kind == MONEY else used_of(check, slot, now_ns)
            if check.kind == MONEY:
                room = 0 if slot == NULL else saturated(max(check.limit - looks[i].spent - looks[i].held, <wide>0))
                if found.room_nano_usd > room:
                    found.room_nano_usd = room
                continue
            found.room_nano_usd = -1
            if check.kind == CONCURRENT or found.wait_ns < 0:
                continue
            if check.kind == PAUSE:
                found.wait_ns = max(found.wait_ns, pause_ns(check, slot, now_ns))
            elif <wide>(tokens if check.kind == TOKENS else 1) > check.burst:
                found.wait_ns = -1
            else:
                wait_ns = ceil_of(-looks[i].level, check.limit)
                found.wait_ns = max(found.wait_ns, <int64_t>wait_ns if wait_ns < INT64_MAX else INT64_MAX)
        return refuses

    cdef void _take(self, Reservation taken, Look* looks, int64_t call, int64_t now_ns) noexcept:
        cdef LimitSet limits = taken._set
        cdef Check* check
        cdef CounterSlot* slot
        cdef Hold* hold
        cdef int32_t at
        cdef int i
        for i in range(limits.checks):
            check = &limits._checks[i]
            taken._held[i] = NOT_HELD
            if looks[i].slot < 0:
                continue
            slot = &self._map._slots[looks[i].slot]
            if check.kind == REQUESTS or check.kind == TOKENS:
                looks[i].level = capped(looks[i].level, check)
                stage_level(self._map, check, slot, looks[i].level, now_ns)
                if check.mode != COUNTS:
                    note_level(taken, check, looks[i].level)
                continue
            if check.kind == PAUSE:
                self._map.stage(&slot.at_ns, now_ns)
                continue
            self._free_count -= 1
            at = taken._held[i] = self._free[self._free_count]
            hold = &self._map._holds[at]
            self._map.stage(&hold.life, self.life)
            self._map.stage(&hold.amount, taken.nano_usd if check.kind == MONEY else 1)
            self._map.stage(<int64_t*>&hold.slot, looks[i].slot | (<int64_t>(check.kind == MONEY) << 32))
            self._map.stage(&hold.call, call)
            self._map.stage(&slot.held, slot.held + (taken.nano_usd if check.kind == MONEY else 1))
            self._map.stage(&slot.holds, slot.holds + 1)
            if check.kind == MONEY:
                self._map.stage(&slot.until_ns, check.until_ns)


cdef void look_at_money(CounterMap counter_map, LimitSet limits, Check* check, Look* look, int64_t nano_usd) noexcept:
    # A window that rolls is the sum of its slices: the newest is counted in, the others are only read.
    cdef CounterSlot* slot
    cdef int i
    look.spent = look.held = 0
    if look.slot >= 0:
        look.spent, look.held = counter_map._slots[look.slot].value, counter_map._slots[look.slot].held
    for i in range(check.past, check.past_end):
        limits._past[i].hint = counter_map.seek(limits._past[i].key, limits._past[i].hint)
        if limits._past[i].hint >= 0:
            slot = &counter_map._slots[limits._past[i].hint]
            look.spent += slot.value
            look.held += slot.held
    look.fits = look.spent + look.held + nano_usd <= check.limit


def levels(CounterMap counter_map not None, LimitSet limits not None, int64_t now_ns):
    cdef Look look
    cdef Check* check
    cdef list found = []
    cdef int64_t used, held
    cdef int i
    for i in range(limits.checks):
        check = &limits._checks[i]
        used = held = 0
        counter_map.lock()
        look.slot = counter_map.seek(check.key, check.hint)
        if look.slot >= 0 and check.kind != MONEY:
            used = used_of(check, &counter_map._slots[look.slot], now_ns)
        elif check.kind == MONEY:
            look_at_money(counter_map, limits, check, &look, 0)
            used, held = saturated(look.spent), saturated(look.held)
        counter_map.unlock()
        found.append((used, held))
    return found


cdef bint has_room(LimitSet limits, Look* looks, int but) noexcept:
    cdef int i
    for i in range(limits.checks):
        if i != but and looks[i].fits and limits._checks[i].group == limits._checks[but].group:
            return True
    return False


cdef int64_t used_of(Check* check, CounterSlot* slot, int64_t now_ns) noexcept:
    if check.kind == CONCURRENT:
        return slot.held
    if check.kind == PAUSE:
        return max(slot.value - now_ns, 0)
    return <int64_t>ceil_of(<wide>check.burst * check.period_ns - level_at(check, slot, now_ns), check.period_ns)


cdef void note_level(Reservation taken, Check* check, wide level) noexcept:
    # The bucket with the least left is what a caller must heed.
    cdef int64_t left = <int64_t>(level / check.period_ns) if level > 0 else 0
    cdef wide full_ns = ceil_of(<wide>check.burst * check.period_ns - level, check.limit)
    cdef int64_t reset_ns = <int64_t>full_ns if full_ns < INT64_MAX else INT64_MAX
    if check.kind == REQUESTS and (taken.requests_limit == 0 or left < taken.requests_remaining):
        taken.requests_limit, taken.requests_remaining, taken.requests_reset_ns = check.limit, left, reset_ns
    elif check.kind == TOKENS and (taken.tokens_limit == 0 or left < taken.tokens_remaining):
        taken.tokens_limit, taken.tokens_remaining, taken.tokens_reset_ns = check.limit, left, reset_ns
