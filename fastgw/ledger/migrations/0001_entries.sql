-- One row a call. `id` is the request id: Unix microseconds << 10 | worker, so a range of time is a range of ids.
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    started_ns INTEGER NOT NULL,
    key TEXT NOT NULL,
    user TEXT NOT NULL,
    team TEXT NOT NULL,
    alias TEXT NOT NULL,
    target TEXT NOT NULL,
    provider TEXT NOT NULL,
    region TEXT NOT NULL,
    dialect TEXT NOT NULL,
    operation TEXT NOT NULL,
    streaming INTEGER NOT NULL,
    status INTEGER NOT NULL,
    error_code TEXT NOT NULL,
    outcome TEXT NOT NULL,
    usage_source TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cached_input_tokens INTEGER NOT NULL,
    cache_write_5m_tokens INTEGER NOT NULL,
    cache_write_1h_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    input_audio_tokens INTEGER NOT NULL,
    output_audio_tokens INTEGER NOT NULL,
    input_image_tokens INTEGER NOT NULL,
    output_image_tokens INTEGER NOT NULL,
    other_usage TEXT,
    cost_nano_usd INTEGER,
    price_version TEXT NOT NULL,
    latency_ns INTEGER NOT NULL,
    first_token_ns INTEGER NOT NULL,
    overhead_ns INTEGER NOT NULL,
    metadata TEXT,
    fingerprint INTEGER NOT NULL,
    worker INTEGER NOT NULL
) STRICT;

-- Calls whose settlement has not been read yet although the segment that opened them is gone: the msgpack of the entry.
CREATE TABLE open_entries (
    id INTEGER PRIMARY KEY,
    writer TEXT NOT NULL,
    payload BLOB NOT NULL
) STRICT;

-- Records that are whole but do not fit `entries`; kept, so that no charge is thrown away.
CREATE TABLE rejected_records (
    id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    problem TEXT NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (id, kind, payload)
) STRICT;
