-- What operators are to be told, as JSON: see `domain.alert`. Not forgotten before `until_ns`.
CREATE TABLE alerts (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    until_ns INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- How far each has come on each channel.
CREATE TABLE alert_deliveries (
    alert INTEGER NOT NULL,  -- alerts.seq
    channel TEXT NOT NULL,
    state TEXT NOT NULL,     -- pending, delivered, failed (a day has passed), dropped (there was no room, or the channel is gone)
    attempts INTEGER NOT NULL,
    next_ns INTEGER NOT NULL,
    problem TEXT NOT NULL,
    PRIMARY KEY (alert, channel)
) STRICT, WITHOUT ROWID;

CREATE INDEX alerts_to_deliver ON alert_deliveries (channel, next_ns) WHERE state = 'pending';

-- Which parts of its limit a counter of a budget has passed; a window of a budget is a counter of its own.
CREATE TABLE alert_marks (
    counter BLOB NOT NULL,
    threshold_ppm INTEGER NOT NULL,
    until_ns INTEGER NOT NULL,
    PRIMARY KEY (counter, threshold_ppm)
) STRICT, WITHOUT ROWID;

CREATE INDEX alert_marks_to_forget ON alert_marks (until_ns);
