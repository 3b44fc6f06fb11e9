-- The outbox of billing systems. `event` and `outcome` are what was and what came of it, and are never changed; `total`,
-- `mark` and `queue` follow from the ledger and from them.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

-- Up to which entry a meter of a destination is counted; the newest row of each counts.
CREATE TABLE mark (
    n INTEGER PRIMARY KEY,
    destination TEXT NOT NULL,
    meter TEXT NOT NULL,
    definition TEXT NOT NULL,
    ledger TEXT NOT NULL,
    seq INTEGER NOT NULL,
    entry TEXT NOT NULL,
    at_us INTEGER NOT NULL
);
CREATE INDEX mark_of ON mark (destination, meter, n);

-- What the ledger says of a window, 1e-18 of what is counted. `dirty`: it may be more or less than what was sent.
CREATE TABLE total (
    n INTEGER PRIMARY KEY,
    destination TEXT NOT NULL,
    meter TEXT NOT NULL,
    tenant TEXT NOT NULL,
    properties TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    sum TEXT NOT NULL,
    dirty INTEGER NOT NULL,
    unsent TEXT NOT NULL DEFAULT '',
    UNIQUE (destination, meter, tenant, properties, start_us)
);
CREATE INDEX total_dirty ON total (destination, start_us) WHERE dirty;

CREATE TABLE event (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    destination TEXT NOT NULL,
    total INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    customer TEXT NOT NULL,
    quantity TEXT NOT NULL,
    length_us INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    UNIQUE (destination, id),
    UNIQUE (total, revision)
);

CREATE TABLE outcome (
    n INTEGER PRIMARY KEY,
    event INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX outcome_of ON outcome (event);

-- `unsure_us`: since when it may count there though nobody said so; `trying_us`: since when it is under way.
CREATE TABLE queue (
    event INTEGER PRIMARY KEY,
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    due_us INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    unsure_us INTEGER,
    trying_us INTEGER,
    reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX queue_due ON queue (destination, state, due_us);

CREATE TRIGGER event_changed BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER event_deleted BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE TRIGGER outcome_changed BEFORE UPDATE ON outcome BEGIN SELECT RAISE(ABORT, 'outcomes are never changed'); END;
CREATE TRIGGER outcome_deleted BEFORE DELETE ON outcome BEGIN SELECT RAISE(ABORT, 'outcomes are never deleted'); END;
