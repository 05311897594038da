-- Times are RFC 3339 in UTC with nine decimals: of one width, so that they sort as text, exact in both databases, and
-- readable in a shell. Columns and meaning are those of the PostgreSQL migration of the same number.
CREATE TABLE constants (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE resources (
    seq                INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    identity           TEXT NOT NULL UNIQUE,
    cluster            TEXT NOT NULL,
    namespace          TEXT NOT NULL,
    application        TEXT NOT NULL,
    component          TEXT NOT NULL,
    name               TEXT NOT NULL,
    kind               TEXT NOT NULL,
    provider           TEXT NOT NULL,
    environment        TEXT NOT NULL,
    external_name      TEXT NOT NULL,
    existing           INTEGER NOT NULL,
    standing           TEXT NOT NULL,
    reason             TEXT,
    keep_until         TEXT,
    endpoint           TEXT,
    incarnation        INTEGER NOT NULL,
    external_id        TEXT,
    was_ready          INTEGER NOT NULL,
    missing_since      TEXT,
    applied            TEXT,
    gone_since         TEXT,
    intent_incarnation INTEGER,
    intent_spec_hash   TEXT,
    intent_since       TEXT
) STRICT;
CREATE INDEX resources_by_key ON resources (cluster, namespace, application, component, name);

CREATE TABLE audit (
    seq         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at          TEXT NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    identity    TEXT NOT NULL,
    kind        TEXT NOT NULL,
    environment TEXT NOT NULL,
    external_id TEXT,
    request_id  TEXT,
    outcome     TEXT NOT NULL,
    detail      TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_identity ON audit (identity, at);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_of_deletions ON audit (environment, kind, at) WHERE action = 'delete';

CREATE TABLE told (
    identity TEXT NOT NULL,
    account  TEXT NOT NULL,
    hash     TEXT NOT NULL,
    PRIMARY KEY (identity, account)
) STRICT;

CREATE TABLE approvals (
    identity TEXT NOT NULL,
    action   TEXT NOT NULL,
    actor    TEXT NOT NULL,
    at       TEXT NOT NULL,
    PRIMARY KEY (identity, action)
) STRICT;
