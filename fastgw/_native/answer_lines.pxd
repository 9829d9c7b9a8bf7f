cpdef bytes answer_lines(str request_id, bytes model_line, long long cost_nano_usd, int attempts, long long overhead_us)
