-- Statements, format 1: append-only. A statement stands here for ever as it was stated; `body` is its JSON.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE statement (
    n INTEGER PRIMARY KEY,
    series TEXT NOT NULL,
    revision INTEGER NOT NULL,
    whose TEXT NOT NULL,
    tenant TEXT,
    cadence TEXT NOT NULL,
    anchor INTEGER NOT NULL,
    label TEXT NOT NULL,
    scope TEXT,
    period_from_us INTEGER NOT NULL,
    period_to_us INTEGER NOT NULL,
    zone TEXT NOT NULL,
    digest TEXT NOT NULL,
    ledger TEXT NOT NULL,
    stated_us INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (series, revision)
);
CREATE INDEX statement_label ON statement (cadence, label);

-- When a gap in the journal was first seen: what is missing was written before.
CREATE TABLE gap (
    segment TEXT NOT NULL,
    missing INTEGER NOT NULL,
    from_us INTEGER NOT NULL,
    to_us INTEGER NOT NULL,
    PRIMARY KEY (segment, missing)
) WITHOUT ROWID;

-- Up to which entry, which time and which registry everything that was due is stated.
CREATE TABLE round (
    n INTEGER PRIMARY KEY,
    schedule TEXT NOT NULL,
    seq INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    registry TEXT NOT NULL
);

CREATE TRIGGER statement_stays BEFORE UPDATE ON statement BEGIN SELECT raise(ABORT, 'what was stated is never edited'); END;
CREATE TRIGGER statement_is_kept BEFORE DELETE ON statement BEGIN SELECT raise(ABORT, 'what was stated is never deleted'); END;
