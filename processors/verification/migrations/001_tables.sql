-- What was found in sessions and notes and waits to become knowledge: the intake drains it.
-- How far it has been drained, the intake notes in a table of its own.
CREATE TABLE knowledge_inbox (
    session_file   VARCHAR NOT NULL,
    candidate_id   VARCHAR NOT NULL,
    username       VARCHAR NOT NULL,
    session_id     VARCHAR,
    turn_id        VARCHAR,
    occurred_at    TIMESTAMPTZ,
    detection_type VARCHAR NOT NULL,
    title          VARCHAR NOT NULL,
    content        VARCHAR NOT NULL,
    user_quote     VARCHAR NOT NULL,
    domain         VARCHAR NOT NULL,
    entities       VARCHAR NOT NULL,
    source         VARCHAR NOT NULL,
    extractor      VARCHAR NOT NULL,
    secrets        BIGINT NOT NULL,
    PRIMARY KEY (session_file, candidate_id)
);
