-- What was found in sessions and notes and waits to become knowledge: the intake drains it.
-- How far it has been drained, the intake notes in a table of its own.
-- Whoever comes first makes it: the knowledge base, or a processor that fills it.
CREATE SEQUENCE IF NOT EXISTS knowledge_arrivals;

CREATE TABLE IF NOT EXISTS knowledge_inbox (
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
    -- The order in which candidates came, whatever their sessions are called.
    arrival        BIGINT NOT NULL DEFAULT nextval('knowledge_arrivals'),
    PRIMARY KEY (session_file, candidate_id)
);
