-- What counts, readable by anyone with SQL. {timezone} is the setting of that name.

CREATE OR REPLACE VIEW usage_zone AS
SELECT {timezone} AS timezone;

CREATE OR REPLACE VIEW usage_messages AS
SELECT c.message_id, c.request_id, c.session_file, x.session_id, x.username, c.occurred_at, c.model,
       c.input_tokens, c.output_tokens, c.cache_creation_tokens, c.cache_creation_1h_tokens, c.cache_read_tokens,
       c.web_search_requests, c.cost_usd, x.is_sidechain, x.agent_id, x.project, x.cwd, x.git_branch, x.version
FROM usage_calls c
JOIN usage_contexts x ON x.session_file = c.session_file AND x.context = c.context
WHERE c.counted;

CREATE OR REPLACE VIEW usage_events AS
SELECT u.event_type, u.use_id AS tool_use_id, u.tool_name, u.skill_name, u.subagent_type, u.mcp_server,
       u.command_name, u.is_error,
       CAST(CASE WHEN u.finished_at < u.occurred_at THEN 0
                 ELSE floor(round(extract(epoch FROM u.finished_at - u.occurred_at) * 1000000) / 1000)
            END AS BIGINT) AS duration_ms,
       u.model, u.occurred_at, u.session_file, x.session_id, x.username
FROM usage_uses u
JOIN usage_contexts x ON x.session_file = u.session_file AND x.context = u.context
WHERE u.counted AND NOT u.is_result;

CREATE OR REPLACE VIEW usage_sessions AS
SELECT f.session_file, f.session_id, f.username, f.project, f.version, f.first_at, f.last_at,
       CAST(extract(epoch FROM f.last_at - f.first_at) AS DOUBLE PRECISION) AS wall_seconds,
       f.active_seconds, f.human_turns,
       COALESCE(c.calls, 0) AS assistant_messages,
       COALESCE(u.tool_calls, 0) AS tool_calls,
       COALESCE(u.tool_errors, 0) AS tool_errors,
       COALESCE(c.input_tokens, 0) AS input_tokens,
       COALESCE(c.output_tokens, 0) AS output_tokens,
       COALESCE(c.cache_creation_tokens, 0) AS cache_creation_tokens,
       COALESCE(c.cache_creation_1h_tokens, 0) AS cache_creation_1h_tokens,
       COALESCE(c.cache_read_tokens, 0) AS cache_read_tokens,
       COALESCE(c.web_search_requests, 0) AS web_search_requests,
       c.cost_usd, m.model AS primary_model
FROM usage_files f
LEFT JOIN (
    SELECT session_file, count(*) AS calls,
           CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
           CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
           CAST(sum(cache_creation_tokens) AS BIGINT) AS cache_creation_tokens,
           CAST(sum(cache_creation_1h_tokens) AS BIGINT) AS cache_creation_1h_tokens,
           CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
           CAST(sum(web_search_requests) AS BIGINT) AS web_search_requests,
           sum(cost_usd) AS cost_usd
    FROM usage_calls WHERE counted GROUP BY session_file
) c ON c.session_file = f.session_file
LEFT JOIN (
    SELECT session_file, count(*) AS tool_calls, count(CASE WHEN is_error THEN 1 END) AS tool_errors
    FROM usage_uses WHERE counted AND NOT is_result AND event_type <> 'slash_command' GROUP BY session_file
) u ON u.session_file = f.session_file
LEFT JOIN (
    SELECT session_file, model, row_number() OVER (PARTITION BY session_file ORDER BY sum(tokens) DESC, model) AS place
    FROM usage_calls WHERE counted AND model IS NOT NULL GROUP BY session_file, model
) m ON m.session_file = f.session_file AND m.place = 1;

CREATE OR REPLACE VIEW usage_daily AS
SELECT CAST(occurred_at AT TIME ZONE {timezone} AS DATE) AS day, count(DISTINCT session_id) AS sessions,
       count(*) AS calls,
       CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
       CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
       CAST(sum(cache_creation_tokens) AS BIGINT) AS cache_creation_tokens,
       CAST(sum(cache_creation_1h_tokens) AS BIGINT) AS cache_creation_1h_tokens,
       CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
       CAST(sum(web_search_requests) AS BIGINT) AS web_search_requests,
       sum(cost_usd) AS cost_usd
FROM usage_messages GROUP BY 1;

CREATE OR REPLACE VIEW usage_by_model AS
SELECT model, count(DISTINCT session_id) AS sessions, count(*) AS calls,
       CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
       CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
       CAST(sum(cache_creation_tokens) AS BIGINT) AS cache_creation_tokens,
       CAST(sum(cache_creation_1h_tokens) AS BIGINT) AS cache_creation_1h_tokens,
       CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
       CAST(sum(web_search_requests) AS BIGINT) AS web_search_requests,
       sum(cost_usd) AS cost_usd
FROM usage_messages GROUP BY model;

CREATE OR REPLACE VIEW usage_by_user AS
SELECT username, count(DISTINCT session_id) AS sessions, count(*) AS calls,
       CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
       CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
       CAST(sum(cache_creation_tokens) AS BIGINT) AS cache_creation_tokens,
       CAST(sum(cache_creation_1h_tokens) AS BIGINT) AS cache_creation_1h_tokens,
       CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
       CAST(sum(web_search_requests) AS BIGINT) AS web_search_requests,
       sum(cost_usd) AS cost_usd
FROM usage_messages GROUP BY username;

CREATE OR REPLACE VIEW usage_by_tool AS
SELECT tool_name, event_type, count(*) AS calls, count(CASE WHEN is_error THEN 1 END) AS errors,
       count(DISTINCT session_id) AS sessions
FROM usage_events WHERE event_type <> 'slash_command' GROUP BY tool_name, event_type;
