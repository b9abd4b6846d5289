-- One call is one message id, with the further calls inside it; turns are rows; what the client itself says is kept.
-- Rows of sessions that are gone stay, by the rules of their time: what those rules did not know is NULL.
ALTER TABLE usage_contexts ADD COLUMN rules_version BIGINT DEFAULT 1;
ALTER TABLE usage_contexts ADD COLUMN asked_by VARCHAR;
ALTER TABLE usage_contexts ADD COLUMN requested_model VARCHAR;
ALTER TABLE usage_contexts ADD COLUMN effort VARCHAR;
ALTER TABLE usage_contexts ADD COLUMN skill VARCHAR;
ALTER TABLE usage_contexts ADD COLUMN plugin VARCHAR;
ALTER TABLE usage_contexts ADD COLUMN mcp_server VARCHAR;
ALTER TABLE usage_contexts ADD COLUMN mcp_tool VARCHAR;
ALTER TABLE usage_contexts ADD COLUMN agent VARCHAR;
ALTER TABLE usage_contexts ADD COLUMN speed VARCHAR;
ALTER TABLE usage_contexts ADD COLUMN inference_geo VARCHAR;
ALTER TABLE usage_contexts ADD COLUMN service_tier VARCHAR;
ALTER TABLE usage_contexts ADD COLUMN priced_by BIGINT;

ALTER TABLE usage_calls ADD COLUMN iteration BIGINT DEFAULT -1;
ALTER TABLE usage_calls ADD COLUMN thinking_tokens BIGINT;
ALTER TABLE usage_calls ADD COLUMN precedence BIGINT DEFAULT 0;
UPDATE usage_calls SET precedence = 2
WHERE (session_file, context) IN (SELECT session_file, context FROM usage_contexts WHERE is_sidechain);

ALTER TABLE usage_uses ADD COLUMN is_copy BOOLEAN DEFAULT FALSE;
ALTER TABLE usage_uses ADD COLUMN language VARCHAR;
ALTER TABLE usage_uses ADD COLUMN own_denial VARCHAR;
ALTER TABLE usage_uses ADD COLUMN own_decider VARCHAR;
ALTER TABLE usage_uses ADD COLUMN own_searches BIGINT;
ALTER TABLE usage_uses ADD COLUMN own_added BIGINT;
ALTER TABLE usage_uses ADD COLUMN own_removed BIGINT;
ALTER TABLE usage_uses ADD COLUMN denial VARCHAR;
ALTER TABLE usage_uses ADD COLUMN decided_by VARCHAR;
ALTER TABLE usage_uses ADD COLUMN search_count BIGINT;
ALTER TABLE usage_uses ADD COLUMN lines_added BIGINT;
ALTER TABLE usage_uses ADD COLUMN lines_removed BIGINT;
-- A slash command is known by its name and time, no longer by its line's uuid.
UPDATE usage_uses
SET use_id = concat('command:', command_name, ':',
                    CAST(CAST(round(extract(epoch FROM seen_at) * 1000000) AS BIGINT) AS VARCHAR))
WHERE event_type = 'slash_command' AND seen_at IS NOT NULL;

ALTER TABLE usage_files ADD COLUMN rules_version BIGINT DEFAULT 1;
ALTER TABLE usage_files ADD COLUMN parent_session VARCHAR;
ALTER TABLE usage_files ADD COLUMN forked_from VARCHAR;
ALTER TABLE usage_files ADD COLUMN copied_at TIMESTAMPTZ;
ALTER TABLE usage_files ADD COLUMN title VARCHAR;
ALTER TABLE usage_files ADD COLUMN repository VARCHAR;
ALTER TABLE usage_files ADD COLUMN asked_by VARCHAR;
UPDATE usage_files SET parent_session = session_id
WHERE session_file LIKE '%/subagents/%' OR session_file LIKE '%/agent-%.jsonl';
-- A workflow's journal is no session.
DELETE FROM usage_files WHERE session_file LIKE '%/subagents/workflows/%/journal.jsonl';

CREATE TABLE usage_said (
    session_file VARCHAR NOT NULL,
    turn_id      VARCHAR NOT NULL,
    kind         VARCHAR NOT NULL,
    asked_by     VARCHAR NOT NULL,
    characters   BIGINT NOT NULL,
    seen_at      TIMESTAMPTZ,
    session_id   VARCHAR,
    username     VARCHAR NOT NULL,
    is_copy      BOOLEAN NOT NULL,
    position     BIGINT NOT NULL,
    counted      BOOLEAN NOT NULL
);
CREATE TABLE usage_statements (
    session_file             VARCHAR NOT NULL,
    session_id               VARCHAR NOT NULL,
    stated_at                TIMESTAMPTZ,
    model                    VARCHAR NOT NULL,
    input_tokens             BIGINT NOT NULL,
    output_tokens            BIGINT NOT NULL,
    thinking_tokens          BIGINT NOT NULL,
    cache_creation_tokens    BIGINT NOT NULL,
    cache_creation_1h_tokens BIGINT NOT NULL,
    cache_read_tokens        BIGINT NOT NULL,
    web_search_requests      BIGINT NOT NULL,
    cost_usd                 DOUBLE PRECISION,
    started_at               TIMESTAMPTZ,
    position                 BIGINT NOT NULL
);
CREATE TABLE usage_links (
    session_file VARCHAR NOT NULL,
    session_id   VARCHAR NOT NULL,
    pull_request VARCHAR NOT NULL,
    repository   VARCHAR NOT NULL,
    git_branch   VARCHAR,
    linked_at    TIMESTAMPTZ,
    position     BIGINT NOT NULL
);
CREATE TABLE usage_listed (
    session_file VARCHAR NOT NULL,
    kind         VARCHAR NOT NULL,
    name         VARCHAR NOT NULL,
    bytes        BIGINT,
    PRIMARY KEY (session_file, kind, name)
);
CREATE TABLE usage_unknown (
    session_file VARCHAR NOT NULL,
    kind         VARCHAR NOT NULL,
    name         VARCHAR NOT NULL,
    version      VARCHAR NOT NULL,
    first_at     TIMESTAMPTZ,
    last_at      TIMESTAMPTZ,
    position     BIGINT NOT NULL
);
