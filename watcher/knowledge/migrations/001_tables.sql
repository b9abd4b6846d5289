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

-- What is known, and what has become of it. `owner` is set for a personal item, which only its owner sees.
-- `base`, `floor` and `verifiers` follow from the evidence: confidence is computed from them.
CREATE TABLE knowledge_items (
    item_id        VARCHAR PRIMARY KEY,
    title          VARCHAR NOT NULL,
    content        VARCHAR NOT NULL,
    domain         VARCHAR NOT NULL,
    entities       VARCHAR NOT NULL,
    status         VARCHAR NOT NULL,
    source         VARCHAR NOT NULL,
    audience       VARCHAR NOT NULL,
    owner          VARCHAR,
    base           DOUBLE PRECISION NOT NULL,
    floor          DOUBLE PRECISION NOT NULL,
    verifiers      BIGINT NOT NULL,
    valid_from     TIMESTAMPTZ,
    valid_until    TIMESTAMPTZ,
    superseded_by  VARCHAR,
    created_at     TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL,
    confirmed_at   TIMESTAMPTZ NOT NULL,
    decided_by     VARCHAR,
    decided_at     TIMESTAMPTZ,
    -- A check against the other items that has not been made yet, and why not.
    check_owed     BOOLEAN NOT NULL,
    check_attempts BIGINT NOT NULL,
    check_after    TIMESTAMPTZ,
    check_error    VARCHAR
);

-- The sentences that prove items: one row for what was said once, however many files hold it.
CREATE TABLE verification_evidence (
    evidence_id    VARCHAR PRIMARY KEY,
    item_id        VARCHAR NOT NULL,
    session_file   VARCHAR NOT NULL,
    session_id     VARCHAR,
    turn_id        VARCHAR,
    username       VARCHAR NOT NULL,
    occurred_at    TIMESTAMPTZ,
    detection_type VARCHAR NOT NULL,
    user_quote     VARCHAR NOT NULL,
    source         VARCHAR NOT NULL,
    extractor      VARCHAR NOT NULL,
    source_gone    BOOLEAN NOT NULL,
    added_at       TIMESTAMPTZ NOT NULL
);

-- Which candidate of the inbox has become which evidence: what stands here was taken.
CREATE TABLE knowledge_intake (
    session_file VARCHAR NOT NULL,
    candidate_id VARCHAR NOT NULL,
    digest       VARCHAR NOT NULL,
    item_id      VARCHAR NOT NULL,
    evidence_id  VARCHAR NOT NULL,
    taken_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (session_file, candidate_id)
);

CREATE TABLE knowledge_relations (
    item_a  VARCHAR NOT NULL,
    item_b  VARCHAR NOT NULL,
    kind    VARCHAR NOT NULL,
    score   DOUBLE PRECISION NOT NULL,
    made_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (item_a, item_b, kind)
);

-- Two items that cannot both hold; `item_a` is the newer one.
CREATE TABLE knowledge_contradictions (
    contradiction_id VARCHAR PRIMARY KEY,
    item_a           VARCHAR NOT NULL,
    item_b           VARCHAR NOT NULL,
    severity         VARCHAR NOT NULL,
    explanation      VARCHAR NOT NULL,
    suggestion       VARCHAR,
    merged_title     VARCHAR,
    merged_content   VARCHAR,
    found_by         VARCHAR NOT NULL,
    found_at         TIMESTAMPTZ NOT NULL,
    resolution       VARCHAR,
    resolved_by      VARCHAR,
    resolved_at      TIMESTAMPTZ,
    reason           VARCHAR,
    merged_item      VARCHAR
);

CREATE TABLE knowledge_votes (
    item_id  VARCHAR NOT NULL,
    username VARCHAR NOT NULL,
    vote     BIGINT NOT NULL,
    voted_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (item_id, username)
);

-- Who decided what, and when; nothing here is ever changed.
CREATE TABLE knowledge_history (
    entry_id    VARCHAR PRIMARY KEY,
    item_id     VARCHAR NOT NULL,
    happened_at TIMESTAMPTZ NOT NULL,
    actor       VARCHAR NOT NULL,
    action      VARCHAR NOT NULL,
    from_status VARCHAR,
    to_status   VARCHAR,
    reason      VARCHAR,
    details     VARCHAR
);
