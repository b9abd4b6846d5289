-- Who runs when, who asked for what, and who may ask.
CREATE TABLE job_runs (
    run_id      VARCHAR PRIMARY KEY,
    name        VARCHAR NOT NULL,
    trigger     VARCHAR NOT NULL,
    started_at  TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    outcome     VARCHAR NOT NULL,
    stats       VARCHAR,
    error       VARCHAR
);
CREATE TABLE audit_log (
    entry_id        VARCHAR PRIMARY KEY,
    asked_at        TIMESTAMPTZ NOT NULL,
    action          VARCHAR NOT NULL,
    actor           VARCHAR NOT NULL,
    resource        VARCHAR,
    params          VARCHAR,
    status          BIGINT NOT NULL,
    duration_ms     BIGINT NOT NULL,
    unhandled_error VARCHAR
);
CREATE TABLE api_tokens (
    token_id   VARCHAR PRIMARY KEY,
    name       VARCHAR NOT NULL,
    role       VARCHAR NOT NULL,
    username   VARCHAR,
    digest     VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ
);
