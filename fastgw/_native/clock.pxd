cpdef long long monotonic_ns() noexcept
cpdef long long wall_ns() noexcept
cpdef long long unix_ns_of(long long request_id) noexcept
