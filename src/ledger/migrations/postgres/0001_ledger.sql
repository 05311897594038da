-- Times are RFC 3339 in UTC with nine decimals: of one width, so that they sort as text, exact in both databases, and
-- readable in a shell. Columns and meaning are those of the SQLite migration of the same number. The collation
-- "C" makes names sort here as they do there, whatever the locale of the database.
CREATE TABLE constants (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE resources (
    seq                BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity           TEXT COLLATE "C" NOT NULL UNIQUE,
    cluster            TEXT COLLATE "C" NOT NULL,
    namespace          TEXT COLLATE "C" NOT NULL,
    application        TEXT COLLATE "C" NOT NULL,
    component          TEXT COLLATE "C" NOT NULL,
    name               TEXT COLLATE "C" NOT NULL,
    kind               TEXT COLLATE "C" NOT NULL,
    provider           TEXT COLLATE "C" NOT NULL,
    environment        TEXT COLLATE "C" NOT NULL,
    external_name      TEXT COLLATE "C" NOT NULL,
    existing           BOOLEAN NOT NULL,
    standing           TEXT COLLATE "C" NOT NULL,
    reason             TEXT COLLATE "C",
    keep_until         TEXT COLLATE "C",
    endpoint           TEXT COLLATE "C",
    incarnation        BIGINT NOT NULL,
    external_id        TEXT COLLATE "C",
    was_ready          BOOLEAN NOT NULL,
    missing_since      TEXT COLLATE "C",
    applied            TEXT COLLATE "C",
    gone_since         TEXT COLLATE "C",
    intent_incarnation BIGINT,
    intent_spec_hash   TEXT COLLATE "C",
    intent_since       TEXT COLLATE "C"
);
CREATE INDEX resources_by_key ON resources (cluster, namespace, application, component, name);

CREATE TABLE audit (
    seq         BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          TEXT COLLATE "C" NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    action      TEXT COLLATE "C" NOT NULL,
    identity    TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    request_id  TEXT COLLATE "C",
    outcome     TEXT COLLATE "C" NOT NULL,
    detail      TEXT COLLATE "C" NOT NULL
);
CREATE INDEX audit_by_identity ON audit (identity, at);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_of_deletions ON audit (environment, kind, at) WHERE action = 'delete';

CREATE TABLE told (
    identity TEXT COLLATE "C" NOT NULL,
    account  TEXT COLLATE "C" NOT NULL,
    hash     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (identity, account)
);

CREATE TABLE approvals (
    identity TEXT COLLATE "C" NOT NULL,
    action   TEXT COLLATE "C" NOT NULL,
    actor    TEXT COLLATE "C" NOT NULL,
    at       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (identity, action)
);
