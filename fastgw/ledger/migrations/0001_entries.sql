-- What varies from call to call. `id` is the request id: Unix microseconds << 10 | worker, so a range of time is a range of ids.
-- No NOT NULL, because each costs time a row: the writer checks types and presence, `fastgw ledger verify` looks again.
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    started_ns INTEGER,
    dimension INTEGER,       -- dimensions.id
    outcome INTEGER,         -- 0 unknown, 1 settled
    status INTEGER,
    attempts INTEGER,
    input_tokens INTEGER,
    cached_input_tokens INTEGER,
    cache_write_5m_tokens INTEGER,
    cache_write_1h_tokens INTEGER,
    output_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost_nano_usd INTEGER,   -- NULL: no price is known
    latency_ns INTEGER,
    first_token_ns INTEGER,
    overhead_ns INTEGER,
    fingerprint INTEGER,
    request_id TEXT,         -- NULL: the one made from the id, `fgw_` and its 16 hexadecimal digits
    metadata TEXT,           -- JSON
    extra TEXT               -- JSON: counts of audio and images that are not zero, and `other_usage`
) STRICT;

-- What many calls have in common. No call with an id of `until_id` or more refers to the row.
CREATE TABLE dimensions (
    id INTEGER PRIMARY KEY,
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
    error_code TEXT NOT NULL,
    usage_source TEXT NOT NULL,
    price_version TEXT NOT NULL,
    until_id INTEGER NOT NULL,
    UNIQUE (
        key, user, team, alias, target, provider, region, dialect, operation, streaming, error_code, usage_source,
        price_version
    )
) STRICT;

-- One row a call, its columns the fields of a ledger entry: what is to be read. An outer join, so that a call is counted whatever
-- became of its dimension; text that is no JSON is shown as it is, so that it can be found.
CREATE VIEW entries AS
SELECT
    calls.id AS id,
    coalesce(calls.request_id, printf('fgw_%016x', calls.id)) AS request_id,
    calls.started_ns AS started_ns,
    dimensions.key AS key,
    dimensions.user AS user,
    dimensions.team AS team,
    dimensions.alias AS alias,
    dimensions.target AS target,
    dimensions.provider AS provider,
    dimensions.region AS region,
    dimensions.dialect AS dialect,
    dimensions.operation AS operation,
    dimensions.streaming AS streaming,
    calls.status AS status,
    dimensions.error_code AS error_code,
    CASE calls.outcome WHEN 1 THEN 'settled' WHEN 0 THEN 'unknown' ELSE CAST(calls.outcome AS TEXT) END AS outcome,
    dimensions.usage_source AS usage_source,
    calls.attempts AS attempts,
    calls.input_tokens AS input_tokens,
    calls.cached_input_tokens AS cached_input_tokens,
    calls.cache_write_5m_tokens AS cache_write_5m_tokens,
    calls.cache_write_1h_tokens AS cache_write_1h_tokens,
    calls.output_tokens AS output_tokens,
    calls.reasoning_tokens AS reasoning_tokens,
    iif(json_valid(calls.extra), coalesce(json_extract(calls.extra, '$.input_audio_tokens'), 0), 0) AS input_audio_tokens,
    iif(json_valid(calls.extra), coalesce(json_extract(calls.extra, '$.output_audio_tokens'), 0), 0) AS output_audio_tokens,
    iif(json_valid(calls.extra), coalesce(json_extract(calls.extra, '$.input_image_tokens'), 0), 0) AS input_image_tokens,
    iif(json_valid(calls.extra), coalesce(json_extract(calls.extra, '$.output_image_tokens'), 0), 0) AS output_image_tokens,
    iif(json_valid(calls.extra), json_extract(calls.extra, '$.other_usage'), calls.extra) AS other_usage,
    calls.cost_nano_usd AS cost_nano_usd,
    dimensions.price_version AS price_version,
    calls.latency_ns AS latency_ns,
    calls.first_token_ns AS first_token_ns,
    calls.overhead_ns AS overhead_ns,
    calls.metadata AS metadata,
    calls.fingerprint AS fingerprint,
    calls.id & 1023 AS worker
FROM calls LEFT JOIN dimensions ON dimensions.id = calls.dimension;

-- Calls whose settlement has not been read yet although the segment that opened them is gone: the msgpack of the entry.
CREATE TABLE open_entries (
    id INTEGER PRIMARY KEY,
    writer TEXT NOT NULL,
    payload BLOB NOT NULL
) STRICT;

-- Records that are whole but do not fit; kept, so that no charge is thrown away.
CREATE TABLE rejected_records (
    id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    problem TEXT NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (id, kind, payload)
) STRICT;
