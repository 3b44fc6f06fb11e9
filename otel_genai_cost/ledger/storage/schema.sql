-- The ledger, format 1. `entry` is append-only; everything else can be derived from the journal.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- How far each journal segment is ingested, and what was wrong with it.
CREATE TABLE segment (
    path TEXT PRIMARY KEY,
    byte_offset INTEGER NOT NULL,
    records INTEGER NOT NULL,
    seq_max INTEGER NOT NULL,
    sealed INTEGER,
    damaged INTEGER NOT NULL,
    finished INTEGER NOT NULL,
    missing TEXT NOT NULL DEFAULT '',
    process TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

-- Calls whose start was journalled, and nothing more yet: an open liability.
CREATE TABLE started (
    id TEXT PRIMARY KEY,
    process TEXT NOT NULL,
    due_us INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;

-- One row for each distinct content of an observation; `charge_id` is set once it is settled into one.
CREATE TABLE observation (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    trace_id TEXT NOT NULL,
    span_id TEXT NOT NULL,
    response_id TEXT,
    ripe_us INTEGER NOT NULL,
    ingested_us INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    charge_id TEXT,
    rule INTEGER,
    ignored TEXT,
    body BLOB NOT NULL,
    UNIQUE (id, digest)
);
CREATE INDEX observation_waiting ON observation (ripe_us) WHERE settled = 0;
CREATE INDEX observation_charge ON observation (charge_id) WHERE charge_id IS NOT NULL;
CREATE INDEX observation_span ON observation (span_id);
CREATE INDEX observation_trace ON observation (trace_id);
CREATE INDEX observation_response ON observation (response_id) WHERE response_id IS NOT NULL;

-- What an observation can be found by, as 63-bit digests of `settlement.evidence.offered`; pruned by age.
CREATE TABLE evidence (key INTEGER, n INTEGER, PRIMARY KEY (key, n)) WITHOUT ROWID;
CREATE TABLE response_evidence (key INTEGER, n INTEGER, PRIMARY KEY (key, n)) WITHOUT ROWID;

CREATE TABLE entry (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    charge_id TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX entry_charge ON entry (charge_id);

CREATE TABLE unlinked (observation_id TEXT PRIMARY KEY, at_us INTEGER NOT NULL) WITHOUT ROWID;
