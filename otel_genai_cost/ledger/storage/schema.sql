-- The ledger, format 2. `entry` is append-only; everything else can be derived from the journal. Ids are bytes
-- (`packed_id.py`); `words`, `origin`, `whom` and `terms` are numbers of texts; a `body` is a JSON array of what a row
-- has for itself (`observation_rows.py`, `entry_rows.py`).

CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- How far each journal segment is ingested, and what was wrong with it.
CREATE TABLE IF NOT EXISTS segment (
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
CREATE TABLE IF NOT EXISTS started (
    id TEXT PRIMARY KEY,
    process TEXT NOT NULL,
    due_us INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;

-- What many rows say in the same words. A number is never used again.
CREATE TABLE IF NOT EXISTS text (n INTEGER PRIMARY KEY AUTOINCREMENT, digest INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS text_digest ON text (digest);

-- One row for each distinct content of an observation; `charge_id` is set once it is settled into one.
CREATE TABLE IF NOT EXISTS observation (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    digest BLOB NOT NULL,
    trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL,
    response_id TEXT,
    end_us INTEGER NOT NULL,
    ripe_us INTEGER NOT NULL,
    ingested_us INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    charge_id BLOB,
    rule INTEGER,
    ignored TEXT,
    words INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    whom INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (id, digest)
);
CREATE INDEX IF NOT EXISTS observation_waiting ON observation (n, ripe_us) WHERE settled = 0;
CREATE INDEX IF NOT EXISTS observation_charge ON observation (charge_id) WHERE charge_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS observation_span ON observation (span_id);
CREATE INDEX IF NOT EXISTS observation_trace ON observation (trace_id);
CREATE INDEX IF NOT EXISTS observation_response ON observation (response_id) WHERE response_id IS NOT NULL;

-- What an observation can be found by, as 63-bit digests of `settlement.evidence.offered`; pruned by age.
CREATE TABLE IF NOT EXISTS evidence (key INTEGER, n INTEGER, PRIMARY KEY (key, n)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS response_evidence (key INTEGER, n INTEGER, PRIMARY KEY (key, n)) WITHOUT ROWID;

-- The id of an entry follows from the unique columns.
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY,
    charge_id BLOB NOT NULL,
    revision INTEGER NOT NULL,
    place INTEGER NOT NULL,
    occurred_us INTEGER NOT NULL,
    booked_us INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    terms INTEGER NOT NULL,
    whom INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (charge_id, revision, place)
);

CREATE TABLE IF NOT EXISTS unlinked (observation_id TEXT PRIMARY KEY, at_us INTEGER NOT NULL) WITHOUT ROWID;
