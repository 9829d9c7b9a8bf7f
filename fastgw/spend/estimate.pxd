cdef long long _MAX_TOKENS

cpdef long long estimate_tokens(long long text_bytes, double bytes_per_token=*)
