-- One row for every result that says it failed, in every session that holds it.
CREATE TABLE error_results (
    session_file VARCHAR NOT NULL,
    tool_use_id  VARCHAR NOT NULL,
    tool         VARCHAR NOT NULL,
    kind         VARCHAR NOT NULL,
    seen_at      TIMESTAMPTZ,
    session_id   VARCHAR,
    username     VARCHAR NOT NULL,
    message      VARCHAR NOT NULL,
    position     BIGINT NOT NULL,
    counted      BOOLEAN NOT NULL
);
