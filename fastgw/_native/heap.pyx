# How much freed memory the process keeps for its next requests.
#
# By default glibc gives the top of the heap back whenever 128 KiB of it are free, and every body of some size takes it again: a
# system call and a page fault for each 4 KiB, in the middle of a request.
cdef extern from *:
    """
    #if defined(__GLIBC__)
    #include <malloc.h>
    static int fastgw_keep_freed(int kept_bytes, int mapped_from_bytes) {
        return mallopt(M_TRIM_THRESHOLD, kept_bytes) && mallopt(M_MMAP_THRESHOLD, mapped_from_bytes);
    }
    #else
    static int fastgw_keep_freed(int kept_bytes, int mapped_from_bytes) { return 0; }
    #endif
    """
    bint keep_freed "fastgw_keep_freed"(int kept_bytes, int mapped_from_bytes) noexcept nogil


def keep_freed_bytes(int kept_bytes, int mapped_from_bytes):
    if kept_bytes < 0 or mapped_from_bytes < 0:
        raise ValueError("expected bytes, got a negative number")
    return keep_freed(kept_bytes, mapped_from_bytes)
