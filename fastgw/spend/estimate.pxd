cpdef object estimate_tokens(object text_bytes, double bytes_per_token=*)
