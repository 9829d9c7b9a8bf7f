"""Owns the reading of a few members from a JSON answer that passes by in pieces of any size.

Invariant: the result does not depend on where the pieces were cut, and nothing but the captured values is kept. It is
lenient: it does not judge numbers, escapes or UTF-8, because the answer is forwarded whatever we think of it, and in
objects and arrays whose names do not matter it follows strings and brackets only. What it cannot follow makes it
`broken`; it never raises on content. The states:

    START: '{' -> FIRST_NAME
    FIRST_NAME, NEXT_NAME: '"' -> NAME (a backslash: NAME_ESCAPE and back), '"' -> COLON, ':' -> VALUE
    VALUE: '"' -> TEXT (a backslash: TEXT_ESCAPE and back); number or word -> SCALAR; a bracket as in SKIM
    SKIM: '"' -> TEXT; '{' -> FIRST_NAME where names matter, else SKIM; '[' -> SKIM
    the end of a value -> AFTER where names matter, else SKIM; of the outermost object -> DONE
    AFTER: ',' -> NEXT_NAME

The documentation of the public names is in the stub.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcpy, memset

from fastgw._native.byte_search cimport first_of2, first_structural
from fastgw._native.json_scan cimport MAX_NAMES, MAX_RAW_NAME_BYTES, MemberTable

ctypedef const unsigned char *Cursor

cdef enum:
    MAX_DEPTH = 512
    NAME_PADDING = 16

cdef enum State:
    START, FIRST_NAME, NEXT_NAME, NAME, NAME_ESCAPE, COLON, VALUE, TEXT, TEXT_ESCAPE, SCALAR, AFTER, SKIM, DONE, BROKEN


cdef inline bint is_space(unsigned char c) noexcept nogil:
    return c == 0x20 or c == 0x0A or c == 0x0D or c == 0x09


cdef inline bint is_scalar(unsigned char c) noexcept nogil:
    return 0x30 <= c <= 0x39 or 0x61 <= (c | 0x20) <= 0x7A or c == c'.' or c == c'-' or c == c'+'


@cython.final
cdef class _Level:
    """The names that matter in one object: the value that each one fills, and the names that matter inside it."""

    cdef MemberTable table
    cdef int value_index[MAX_NAMES]  # -1: a name that is only on the way to those inside it
    cdef list inside  # one _Level or None a name

    def __cinit__(self, dict paths):
        names = list(dict.fromkeys(path.partition(b".")[0] for path in paths))
        self.table = MemberTable(names)
        self.inside = []
        for position, name in enumerate(names):
            self.value_index[position] = paths.get(name, -1)
            inside = {path[len(name) + 1:]: index for path, index in paths.items() if path.startswith(name + b".")}
            self.inside.append(_Level(inside) if inside else None)


cdef _Level compile_paths(tuple names):
    for name in names:
        if name.count(b".") > 1 or name.startswith(b".") or name.endswith(b"."):
            raise ValueError(f"expected a member name or outer.inner, got {name!r}")
    return _Level({name: index for index, name in enumerate(names)})


@cython.final
cdef class JsonTap:
    cdef State _state
    cdef int _depth
    cdef unsigned char _closers[MAX_DEPTH]
    cdef bint _overflowed
    cdef Py_ssize_t _max_value_bytes
    cdef list _values
    # Names are kept only where they can matter; a longer one than the buffer matches nothing.
    cdef _Level _top
    cdef _Level _inside  # of the object at depth 2, None where its names do not matter
    cdef _Level _next_inside  # of the value that comes next
    cdef unsigned char _name[MAX_RAW_NAME_BYTES + NAME_PADDING]
    cdef Py_ssize_t _name_bytes
    cdef bint _name_escaped
    # Two captures can be open at once, one in the outermost object and one in an object right inside it.
    cdef int _next_index[2]  # of the value that comes next, -1 for one that nobody asked for
    cdef int _index[2]  # of the value that is being captured, or -1
    cdef Py_ssize_t _mark[2]  # where in the current piece the captured bytes begin
    cdef list _held  # what earlier pieces had of it, a bytearray a level

    def __cinit__(self, MemberTable table not None, Py_ssize_t max_value_bytes=16384):
        if max_value_bytes < 1:
            raise ValueError(f"max_value_bytes: expected at least 1, got {max_value_bytes}")
        if table._paths is None:
            table._paths = compile_paths(table._names)
        self._top = table._paths
        self._values = [None] * table._count
        self._held = [bytearray(), bytearray()]
        self._max_value_bytes = max_value_bytes
        self._state = START
        self._next_index[0] = self._next_index[1] = self._index[0] = self._index[1] = -1

    def feed(self, bytes data not None):
        cdef Cursor base = <Cursor>PyBytes_AS_STRING(data)
        cdef Cursor end = base + PyBytes_GET_SIZE(data)
        cdef Cursor p = base
        self._mark[0] = self._mark[1] = 0
        while p < end and self._state != BROKEN:
            p = self._step(data, base, p, end)
        if self._state != BROKEN:
            self._hold(0, data, end - base)
            self._hold(1, data, end - base)

    def value(self, Py_ssize_t index):
        if not 0 <= index < len(self._values):
            raise IndexError(f"member {index} of a table of {len(self._values)}")
        return self._values[index]

    @property
    def complete(self):
        return self._state == DONE

    @property
    def broken(self):
        return self._state == BROKEN

    @property
    def overflowed(self):
        return self._overflowed

    cdef Cursor _step(self, bytes data, Cursor base, Cursor p, Cursor end) except NULL:
        """Reads on from p, at least one byte (only a scalar's end is seen without taking a byte)."""
        if self._state == TEXT:
            p = first_of2(p, end, c'"', c'\\')
            if p == end:
                return p
            if p[0] == c'"':
                self._end_value(data, p + 1 - base)
            else:
                self._state = TEXT_ESCAPE
        elif self._state == TEXT_ESCAPE:
            self._state = TEXT
        elif self._state == SKIM:
            p = first_structural(p, end)
            if p == end:
                return p
            if p[0] == c'"':
                self._state = TEXT
            elif p[0] == c'{' or p[0] == c'[':
                self._open(data, p[0], p - base)
            else:
                self._close(data, p[0], p - base)
        elif self._state == SCALAR:
            while p < end and is_scalar(p[0]):
                p += 1
            if p < end:
                self._end_value(data, p - base)
            return p
        elif self._state == NAME:
            return self._step_name(p, end)
        elif self._state == NAME_ESCAPE:
            self._keep_name(p, 1)
            self._state = NAME
        elif not is_space(p[0]):
            self._step_between(data, p[0], p - base)
        return p + 1

    cdef Cursor _step_name(self, Cursor p, Cursor end) noexcept:
        cdef Cursor stop = first_of2(p, end, c'"', c'\\')
        self._keep_name(p, stop - p)
        if stop == end:
            return end
        if stop[0] == c'"':
            self._end_name()
            self._state = COLON
        else:
            self._name_escaped = True
            self._keep_name(stop, 1)
            self._state = NAME_ESCAPE
        return stop + 1

    cdef int _step_between(self, bytes data, unsigned char c, Py_ssize_t at) except -1:
        """One byte outside of strings and scalars that is not white space."""
        cdef State state = self._state
        if state == VALUE:
            self._begin_capture(at)
            if c == c'"':
                self._state = TEXT
            elif c == c'{' or c == c'[':
                return self._open(data, c, at)
            elif is_scalar(c):
                self._state = SCALAR
            else:
                self._break(data, at)
        elif state == AFTER and c == c',':
            self._state = NEXT_NAME
        elif (state == AFTER or state == FIRST_NAME) and c == c'}':
            self._close(data, c, at)
        elif state == COLON and c == c':':
            self._state = VALUE
        elif (state == FIRST_NAME or state == NEXT_NAME) and c == c'"':
            self._name_bytes = 0
            self._name_escaped = False
            self._state = NAME
        elif state == START and c == c'{':
            self._open(data, c, at)
        else:
            self._break(data, at)
        return 0

    cdef int _open(self, bytes data, unsigned char c, Py_ssize_t at) except -1:
        if self._depth == MAX_DEPTH:
            return self._break(data, at)
        self._closers[self._depth] = c + 2  # '}' and ']' are two behind '{' and '['
        self._depth += 1
        if self._depth == 2:
            self._inside = self._next_inside if c == c'{' else None
        self._state = SKIM if self._level() is None else FIRST_NAME
        return 0

    cdef int _close(self, bytes data, unsigned char c, Py_ssize_t at) except -1:
        if c != self._closers[self._depth - 1]:
            return self._break(data, at)
        self._depth -= 1
        if self._depth == 0:
            self._state = DONE
        else:
            self._end_value(data, at + 1)
        return 0

    cdef int _break(self, bytes data, Py_ssize_t at) except -1:
        self._hold(0, data, at)  # so that a value that was too large until here shows, however the pieces were cut
        self._hold(1, data, at)
        self._state = BROKEN
        return 0

    cdef _Level _level(self):
        """The names that matter where we are; None in an array, and in an object none of whose names do."""
        return self._top if self._depth == 1 else self._inside if self._depth == 2 else None

    cdef void _keep_name(self, Cursor p, Py_ssize_t count) noexcept:
        if self._name_bytes + count > MAX_RAW_NAME_BYTES:
            self._name_bytes = MAX_RAW_NAME_BYTES + 1
        else:
            memcpy(self._name + self._name_bytes, p, count)
            self._name_bytes += count

    cdef int _end_name(self) except -1:
        cdef _Level level = self._level()
        cdef int position = -1
        if self._name_bytes <= MAX_RAW_NAME_BYTES:
            memset(self._name + self._name_bytes, 0, NAME_PADDING)  # stops the decoder in an escape that is cut short
            position = level.table.find(self._name, self._name_bytes, self._name_escaped)
        self._next_index[self._depth - 1] = -1 if position < 0 else level.value_index[position]
        self._next_inside = None if position < 0 else level.inside[position]
        return 0

    cdef int _begin_capture(self, Py_ssize_t at) except -1:
        cdef int level = self._depth - 1
        if self._next_index[level] >= 0:
            self._index[level] = self._next_index[level]
            self._values[self._index[level]] = None  # the last one wins, also when it is not to be had
            self._mark[level] = at
        return 0

    cdef int _end_value(self, bytes data, Py_ssize_t at) except -1:
        cdef int level = self._depth - 1
        self._state = SKIM if self._level() is None else AFTER
        if level < 2 and self._index[level] >= 0:
            self._hold(level, data, at)
            if self._index[level] >= 0:
                self._values[self._index[level]] = bytes(self._held[level])
                self._held[level].clear()
                self._index[level] = -1
        return 0

    cdef int _hold(self, int level, bytes data, Py_ssize_t at) except -1:
        """Keeps the bytes of an open capture up to `at` of the current piece."""
        cdef bytearray held = self._held[level]
        if self._index[level] < 0:
            return 0
        if len(held) + at - self._mark[level] > self._max_value_bytes:
            self._overflowed = True
            self._index[level] = -1
            held.clear()
        else:
            held += data[self._mark[level]:at]
        return 0
