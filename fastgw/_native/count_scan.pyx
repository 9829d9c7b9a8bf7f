# Counts out of a small JSON object, in one pass and without building it: the usage block of a provider's answer.
#
# Invariant: a result means that the block is one strict JSON object in which each named count is absent, null, or a whole number in
# [0, 2**31). Anything else (odd types, fractions, repeats, escapes in names) is None: somebody slower must look.
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from libc.stdint cimport int64_t
from libc.string cimport memcmp
from fastgw._native.json_grammar cimport Cursor, Scan, skip_name, skip_space, skip_value, start_scan
from fastgw._native.ledger_record cimport LedgerRecord

cdef enum:
    MAX_DIGITS = 10
    MAX_DEPTH = 16


@cython.final
cdef class CountTable:
    def __cinit__(self, paths):
        cdef bytes part
        self._paths = tuple(paths)
        self._parts = []
        groups = {b"": 0}
        if len(self._paths) > MAX_COUNTS or len(set(self._paths)) != len(self._paths):
            raise ValueError(f"paths: expected at most {MAX_COUNTS} different ones, got {self._paths!r}")
        for path in self._paths:
            group, _, name = path.rpartition(b".")
            if not name or b"." in group:
                raise ValueError(f"a path is `member` or `member.member`, got {path!r}")
            if group not in groups:
                if len(groups) > MAX_GROUPS:
                    raise ValueError(f"paths: expected at most {MAX_GROUPS} outer members")
                groups[group] = len(groups)
                self._parts.append(group)
                part = group
                self._groups[self._group_count] = Name(<Cursor>PyBytes_AS_STRING(part), len(part), groups[group])
                self._group_count += 1
            self._parts.append(name)
            part = name
            self._counts[self._count] = Name(<Cursor>PyBytes_AS_STRING(part), len(part), groups[group])
            self._count += 1

    cdef bint _scan(self, Cursor p, Py_ssize_t size, int64_t* found) noexcept nogil:
        cdef Scan scan
        cdef int index
        for index in range(self._count):
            found[index] = -1
        start_scan(&scan, p + size, MAX_DEPTH)
        p = self._members(&scan, skip_space(p, scan.end), 0, found)
        return p != NULL and skip_space(p, scan.end) == scan.end

    def read(self, bytes block):
        cdef int64_t found[MAX_COUNTS]
        cdef int index
        cdef object value
        cdef tuple result
        if not self._scan(<Cursor>PyBytes_AS_STRING(block), PyBytes_GET_SIZE(block), found):
            return None
        result = PyTuple_New(self._count)
        for index in range(self._count):
            value = found[index]
            Py_INCREF(value)
            PyTuple_SET_ITEM(result, index, value)
        return result

    cpdef bint fill_row(self, bytes body, Py_ssize_t start, Py_ssize_t end, LedgerRecord row) except -1:
        cdef int64_t found[MAX_COUNTS]
        cdef int64_t read, reasoning
        cdef int index
        if body is None or row is None:
            raise TypeError("expected bytes and a row")
        if self._count < 5 or not 0 <= start <= end <= PyBytes_GET_SIZE(body):
            raise ValueError("a row takes five counts or more out of a range of the body")
        if not self._scan(<Cursor>PyBytes_AS_STRING(body) + start, end - start, found):
            return False
        for index in range(5, self._count):
            if found[index] > 0:
                return False
        read = found[3] if found[3] > 0 else 0
        reasoning = found[4] if found[4] > 0 else 0
        if found[0] < read or found[1] < reasoning or (reasoning and found[2] == found[0] + found[1] + reasoning):
            return False
        row.input_tokens = found[0]
        row.output_tokens = found[1]
        row.cached_input_tokens = read
        row.reasoning_tokens = reasoning
        return True

    cdef Cursor _members(self, Scan* scan, Cursor p, int group, int64_t* found) noexcept nogil:
        # The members of one object from its brace on; behind it, or NULL.
        cdef Cursor name
        cdef Cursor end = scan.end
        cdef unsigned int groups_seen = 0
        cdef int index
        if p >= end or p[0] != c'{':
            return NULL
        p = skip_space(p + 1, end)
        if p < end and p[0] == c'}':
            return p + 1
        while True:
            name = p + 1
            p = skip_name(scan, p)
            if p == NULL or scan.escaped:
                return NULL
            index = find(self._counts, self._count, name, scan.name_end - name, group)
            if index >= 0:
                if found[index] != -1:
                    return NULL
                p = read_count(p, end, &found[index])
            elif group == 0:
                index = find(self._groups, self._group_count, name, scan.name_end - name, -1)
                if index >= 0:
                    if groups_seen >> index & 1:
                        return NULL
                    groups_seen |= <unsigned int>1 << index
                if index >= 0 and p < end and p[0] == c'{':
                    p = self._members(scan, p, self._groups[index].group, found)
                else:
                    p = skip_value(scan, p) if index < 0 or is_null(p, end) else NULL
            else:
                p = skip_value(scan, p)
            if p == NULL:
                return NULL
            p = skip_space(p, end)
            if p >= end:
                return NULL
            if p[0] == c'}':
                return p + 1
            if p[0] != c',':
                return NULL
            p = skip_space(p + 1, end)


cdef inline int find(Name* names, int count, Cursor text, Py_ssize_t size, int group) noexcept nogil:
    cdef int index
    for index in range(count):
        if names[index].size == size and (group < 0 or names[index].group == group):
            if memcmp(names[index].text, text, size) == 0:
                return index
    return -1


cdef inline bint is_null(Cursor p, Cursor end) noexcept nogil:
    return end - p >= 4 and memcmp(p, b"null", 4) == 0


cdef inline Cursor read_count(Cursor p, Cursor end, int64_t* count) noexcept nogil:
    # A plain run of at most ten digits, or null (which leaves the count absent).
    cdef Cursor start = p
    cdef int64_t value = 0
    if is_null(p, end):
        return p + 4
    while p < end and c'0' <= p[0] <= c'9':
        if p - start >= MAX_DIGITS:
            return NULL
        value = value * 10 + (p[0] - c'0')
        p += 1
    if p == start or value > 0x7FFFFFFF or (p - start > 1 and start[0] == c'0'):
        return NULL
    if p < end and (p[0] == c'.' or p[0] == c'e' or p[0] == c'E'):
        return NULL
    count[0] = value
    return p
