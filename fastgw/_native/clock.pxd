cpdef long long monotonic_ns() noexcept
cpdef long long wall_ns() noexcept
