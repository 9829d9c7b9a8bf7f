"""How much freed memory the process keeps for its next requests."""

def keep_freed_bytes(kept_bytes: int, mapped_from_bytes: int) -> bool:
    """Up to how many free bytes at the top of the heap stay with the process, and from which size on an allocation is a mapping
    of its own, given back as soon as it is freed. For the whole process; False where the C library is not glibc.

    Raises:
        ValueError: a negative number.
    """
