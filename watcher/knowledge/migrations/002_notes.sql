-- People's notes as they were last taken: what has not changed is not taken again.
-- `digest` is of the content and of how it was looked at; `attempts`, `after` and `error` are of a try that failed.
CREATE TABLE knowledge_notes (
    note     VARCHAR PRIMARY KEY,
    username VARCHAR NOT NULL,
    digest   VARCHAR NOT NULL,
    items    BIGINT NOT NULL,
    filtered BIGINT NOT NULL,
    taken_at TIMESTAMPTZ NOT NULL,
    attempts BIGINT NOT NULL,
    after    TIMESTAMPTZ,
    error    VARCHAR
);
