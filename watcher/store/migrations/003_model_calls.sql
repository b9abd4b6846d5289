-- What models were asked: one row for each call, taken in from the journal in the state folder.
CREATE TABLE model_calls (
    call_id        VARCHAR PRIMARY KEY,
    started_at     TIMESTAMPTZ NOT NULL,
    purpose        VARCHAR NOT NULL,
    processor_name VARCHAR,
    session_file   VARCHAR,
    model          VARCHAR NOT NULL,
    input_tokens   BIGINT NOT NULL,
    output_tokens  BIGINT NOT NULL,
    cost_usd       DOUBLE PRECISION,
    outcome        VARCHAR NOT NULL,
    seconds        DOUBLE PRECISION,
    error          VARCHAR
);
