from libc.stdint cimport int64_t
from fastgw._native.limit_set cimport Reservation

cpdef bytes level_lines(bint anthropic, bint of_tokens, int64_t limit, int64_t remaining, int64_t reset_ns, int64_t now_ns)
cpdef bytes reservation_lines(bytes rules_line, Reservation taken, bint anthropic, int64_t now_ns)
