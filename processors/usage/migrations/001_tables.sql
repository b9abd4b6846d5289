-- Calls and uses have no key: a session's rows are only ever added, and go together.
CREATE TABLE usage_contexts (
    session_file VARCHAR NOT NULL,
    context      BIGINT NOT NULL,
    session_id   VARCHAR,
    username     VARCHAR NOT NULL,
    project      VARCHAR,
    cwd          VARCHAR,
    git_branch   VARCHAR,
    version      VARCHAR,
    agent_id     VARCHAR,
    is_sidechain BOOLEAN NOT NULL,
    PRIMARY KEY (session_file, context)
);
CREATE TABLE usage_calls (
    session_file             VARCHAR NOT NULL,
    message_id               VARCHAR NOT NULL,
    request_id               VARCHAR NOT NULL,
    seen_at                  TIMESTAMPTZ,
    first_at                 TIMESTAMPTZ,
    occurred_at              TIMESTAMPTZ,
    model                    VARCHAR,
    input_tokens             BIGINT NOT NULL,
    output_tokens            BIGINT NOT NULL,
    cache_creation_tokens    BIGINT NOT NULL,
    cache_creation_1h_tokens BIGINT NOT NULL,
    cache_read_tokens        BIGINT NOT NULL,
    web_search_requests      BIGINT NOT NULL,
    tokens                   BIGINT NOT NULL,
    cost_usd                 DOUBLE PRECISION,
    context                  BIGINT NOT NULL,
    position                 BIGINT NOT NULL,
    counted                  BOOLEAN NOT NULL
);
CREATE TABLE usage_uses (
    session_file  VARCHAR NOT NULL,
    use_id        VARCHAR NOT NULL,
    is_result     BOOLEAN NOT NULL,
    event_type    VARCHAR,
    tool_name     VARCHAR,
    skill_name    VARCHAR,
    subagent_type VARCHAR,
    mcp_server    VARCHAR,
    command_name  VARCHAR,
    model         VARCHAR,
    seen_at       TIMESTAMPTZ,
    own_error     BOOLEAN,
    result_at     TIMESTAMPTZ,
    occurred_at   TIMESTAMPTZ,
    is_error      BOOLEAN,
    finished_at   TIMESTAMPTZ,
    context       BIGINT NOT NULL,
    position      BIGINT NOT NULL,
    counted       BOOLEAN NOT NULL
);
CREATE TABLE usage_files (
    session_file   VARCHAR PRIMARY KEY,
    session_id     VARCHAR NOT NULL,
    username       VARCHAR NOT NULL,
    project        VARCHAR,
    version        VARCHAR,
    first_at       TIMESTAMPTZ,
    last_at        TIMESTAMPTZ,
    active_seconds DOUBLE PRECISION NOT NULL,
    human_turns    BIGINT NOT NULL
);
