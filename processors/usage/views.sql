-- What counts, readable by anyone with SQL. {timezone} is the setting of that name.

CREATE OR REPLACE VIEW usage_zone AS
SELECT {timezone} AS timezone;

-- Of each session id the file that is the session itself, and not a subagent's.
CREATE OR REPLACE VIEW usage_main_files AS
SELECT f.session_id, f.session_file, f.username, f.repository, f.project, f.asked_by, f.forked_from, f.copied_at
FROM usage_files f
JOIN (SELECT session_id, min(session_file) AS session_file FROM usage_files WHERE parent_session IS NULL
      GROUP BY session_id) first ON first.session_file = f.session_file;

-- How [projects] names repositories and remotes, in the order written, each pattern as LIKE has it. The first row is
-- there so that there always is one, and fits nothing.
CREATE OR REPLACE VIEW usage_project_names AS
SELECT place, CAST(name AS VARCHAR) AS name,
       replace(replace(replace(replace(CAST(pattern AS VARCHAR), '\', '\\'), '%', '\%'), '_', '\_'), '*', '%') AS likeness
FROM {projects} AS written(place, pattern, name);

-- Of each repository and remote that is named there, the first name.
CREATE OR REPLACE VIEW usage_named AS
SELECT known_as, place, name FROM (
    SELECT k.known_as, p.place, p.name, row_number() OVER (PARTITION BY k.known_as ORDER BY p.place) AS nth
    FROM (
        SELECT repository AS known_as FROM usage_files
        UNION
        SELECT repository FROM usage_links
    ) k
    JOIN usage_project_names p ON k.known_as LIKE p.likeness ESCAPE '\'
) every WHERE nth = 1;

-- Of each session file its repository and project: a subagent's are its session's.
CREATE OR REPLACE VIEW usage_places AS
SELECT f.session_file, CASE WHEN m.repository IS NULL THEN f.repository ELSE m.repository END AS repository,
       COALESCE(n.name, CASE WHEN m.repository IS NULL THEN f.project ELSE m.project END) AS project,
       (n.name IS NOT NULL) AS is_named,
       CASE WHEN f.parent_session IS NULL THEN NULL ELSE COALESCE(m.asked_by, 'unknown') END AS session_asked_by
FROM usage_files f
LEFT JOIN usage_main_files m ON m.session_id = f.parent_session
LEFT JOIN (
    SELECT session_file, name, row_number() OVER (PARTITION BY session_file ORDER BY place) AS nth
    FROM (
        SELECT f.session_file, k.place, k.name
        FROM usage_files f
        LEFT JOIN usage_main_files m ON m.session_id = f.parent_session
        JOIN usage_named k ON k.known_as = CASE WHEN m.repository IS NULL THEN f.repository ELSE m.repository END
        UNION ALL
        SELECT f.session_file, k.place, k.name
        FROM usage_files f
        LEFT JOIN usage_main_files m ON m.session_id = f.parent_session
        JOIN usage_links l
            ON l.session_file = CASE WHEN f.parent_session IS NULL THEN f.session_file ELSE m.session_file END
        JOIN usage_named k ON k.known_as = l.repository
    ) every
) n ON n.session_file = f.session_file AND n.nth = 1;

-- From when until when a session's calls on a branch belong to a pull request.
CREATE OR REPLACE VIEW usage_pull_requests AS
SELECT l.pull_request, l.session_id, l.git_branch,
       CASE WHEN l.is_shared THEN l.previous_at WHEN l.nth_of_branch > 1 THEN l.linked_at END AS from_at,
       CASE WHEN l.is_shared THEN l.linked_at ELSE l.next_of_branch_at END AS until_at
FROM (
    SELECT pull_request, session_id, git_branch, linked_at,
           (git_branch IS NULL OR git_branch IN ('', 'main', 'master', 'trunk', 'HEAD')) AS is_shared,
           row_number() OVER (PARTITION BY session_id, git_branch ORDER BY linked_at, session_file, position)
               AS nth_of_branch,
           lead(linked_at) OVER (PARTITION BY session_id, git_branch ORDER BY linked_at, session_file, position)
               AS next_of_branch_at,
           lag(linked_at) OVER (PARTITION BY session_id ORDER BY linked_at, session_file, position) AS previous_at
    FROM (
        SELECT *, row_number() OVER (PARTITION BY session_id, pull_request
                                     ORDER BY linked_at, session_file, position) AS nth
        FROM usage_links WHERE linked_at IS NOT NULL
    ) every WHERE nth = 1
) l;

CREATE OR REPLACE VIEW usage_messages AS
SELECT c.message_id, c.iteration, c.request_id, c.session_file, x.session_id, x.username, c.occurred_at, c.model,
       x.requested_model, c.input_tokens, c.output_tokens, c.thinking_tokens, c.cache_creation_tokens,
       c.cache_creation_1h_tokens, c.cache_read_tokens, c.web_search_requests, c.cost_usd, x.speed, x.inference_geo,
       x.service_tier, x.effort, x.skill, x.plugin, x.mcp_server, x.mcp_tool, x.agent, x.is_sidechain,
       (c.precedence IN (1, 3)) AS is_copy, x.agent_id, p.project, p.repository, x.cwd, x.git_branch,
       r.pull_request, x.version, COALESCE(p.session_asked_by, x.asked_by) AS asked_by, x.rules_version
FROM usage_calls c
JOIN usage_contexts x ON x.session_file = c.session_file AND x.context = c.context
LEFT JOIN usage_places p ON p.session_file = c.session_file
LEFT JOIN usage_pull_requests r
    ON r.session_id = x.session_id AND r.git_branch IS NOT DISTINCT FROM x.git_branch
    AND (r.from_at IS NULL OR c.occurred_at >= r.from_at) AND (r.until_at IS NULL OR c.occurred_at < r.until_at)
WHERE c.counted;

CREATE OR REPLACE VIEW usage_events AS
SELECT u.event_type, u.use_id AS tool_use_id, u.tool_name, u.skill_name, u.subagent_type, u.mcp_server,
       u.command_name, u.is_error,
       CAST(CASE WHEN u.finished_at < u.occurred_at THEN 0
                 ELSE floor(round(extract(epoch FROM u.finished_at - u.occurred_at) * 1000000) / 1000)
            END AS BIGINT) AS duration_ms,
       u.denial, u.decided_by, u.search_count, u.lines_added, u.lines_removed, u.language,
       u.model, u.occurred_at, u.session_file, x.session_id, x.username
FROM usage_uses u
JOIN usage_contexts x ON x.session_file = u.session_file AND x.context = u.context
WHERE u.counted AND NOT u.is_result;

CREATE OR REPLACE VIEW usage_turns AS
SELECT turn_id, session_file, session_id, username, seen_at AS occurred_at, kind, asked_by, characters
FROM usage_said WHERE counted;

-- What each session file's counted calls come to.
CREATE OR REPLACE VIEW usage_file_sums AS
SELECT session_file, count(CASE WHEN iteration = -1 THEN 1 END) AS calls,
       CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
       CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
       CAST(COALESCE(sum(thinking_tokens), 0) AS BIGINT) AS thinking_tokens,
       CAST(sum(cache_creation_tokens) AS BIGINT) AS cache_creation_tokens,
       CAST(sum(cache_creation_1h_tokens) AS BIGINT) AS cache_creation_1h_tokens,
       CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
       CAST(sum(web_search_requests) AS BIGINT) AS web_search_requests,
       CAST(CAST(sum(cost_usd) AS DECIMAL(38, 9)) AS DOUBLE PRECISION) AS cost_usd
FROM usage_calls WHERE counted GROUP BY session_file;

CREATE OR REPLACE VIEW usage_sessions AS
SELECT f.session_file, f.session_id, f.parent_session, f.forked_from, f.username, f.title, p.project, p.repository,
       f.version, f.asked_by, f.first_at, f.last_at,
       CAST(extract(epoch FROM f.last_at - f.first_at) AS DOUBLE PRECISION) AS wall_seconds,
       f.active_seconds,
       CASE WHEN f.rules_version < 2 THEN f.human_turns ELSE COALESCE(t.human_turns, 0) END AS human_turns,
       COALESCE(t.other_turns, 0) AS other_turns,
       COALESCE(c.calls, 0) AS assistant_messages,
       COALESCE(u.tool_calls, 0) AS tool_calls,
       COALESCE(u.tool_errors, 0) AS tool_errors,
       COALESCE(c.input_tokens, 0) AS input_tokens,
       COALESCE(c.output_tokens, 0) AS output_tokens,
       COALESCE(c.thinking_tokens, 0) AS thinking_tokens,
       COALESCE(c.cache_creation_tokens, 0) AS cache_creation_tokens,
       COALESCE(c.cache_creation_1h_tokens, 0) AS cache_creation_1h_tokens,
       COALESCE(c.cache_read_tokens, 0) AS cache_read_tokens,
       COALESCE(c.web_search_requests, 0) AS web_search_requests,
       c.cost_usd, COALESCE(s.calls, 0) AS subagent_calls, s.cost_usd AS subagent_cost_usd, m.model AS primary_model
FROM usage_files f
LEFT JOIN usage_places p ON p.session_file = f.session_file
LEFT JOIN (
    SELECT session_file, count(CASE WHEN asked_by = 'person' THEN 1 END) AS human_turns,
           count(CASE WHEN asked_by <> 'person' THEN 1 END) AS other_turns
    FROM usage_said WHERE counted GROUP BY session_file
) t ON t.session_file = f.session_file
LEFT JOIN usage_file_sums c ON c.session_file = f.session_file
LEFT JOIN (
    SELECT session_file, count(*) AS tool_calls, count(CASE WHEN is_error THEN 1 END) AS tool_errors
    FROM usage_uses WHERE counted AND NOT is_result AND event_type <> 'slash_command' GROUP BY session_file
) u ON u.session_file = f.session_file
LEFT JOIN (
    SELECT main.session_file, CAST(sum(own.calls) AS BIGINT) AS calls, sum(own.cost_usd) AS cost_usd
    FROM usage_main_files main
    JOIN usage_files agent ON agent.parent_session = main.session_id
    JOIN usage_file_sums own ON own.session_file = agent.session_file
    GROUP BY main.session_file
) s ON s.session_file = f.session_file
LEFT JOIN (
    SELECT session_file, model, row_number() OVER (PARTITION BY session_file ORDER BY sum(tokens) DESC, model) AS place
    FROM usage_calls WHERE counted AND model IS NOT NULL GROUP BY session_file, model
) m ON m.session_file = f.session_file AND m.place = 1;

-- Every counted call, with what reports add up by: without what needs the other tables.
CREATE OR REPLACE VIEW usage_added AS
SELECT c.iteration, x.session_id, x.username, c.occurred_at, c.model, c.input_tokens, c.output_tokens,
       c.thinking_tokens, c.cache_creation_tokens, c.cache_creation_1h_tokens, c.cache_read_tokens,
       c.web_search_requests, c.cost_usd
FROM usage_calls c
JOIN usage_contexts x ON x.session_file = c.session_file AND x.context = c.context
WHERE c.counted;

CREATE OR REPLACE VIEW usage_daily AS
SELECT CAST(occurred_at AT TIME ZONE {timezone} AS DATE) AS day, count(DISTINCT session_id) AS sessions,
       count(CASE WHEN iteration = -1 THEN 1 END) AS calls,
       CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
       CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
       CAST(COALESCE(sum(thinking_tokens), 0) AS BIGINT) AS thinking_tokens,
       CAST(sum(cache_creation_tokens) AS BIGINT) AS cache_creation_tokens,
       CAST(sum(cache_creation_1h_tokens) AS BIGINT) AS cache_creation_1h_tokens,
       CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
       CAST(sum(web_search_requests) AS BIGINT) AS web_search_requests,
       sum(cost_usd) AS cost_usd
FROM usage_added GROUP BY 1;

CREATE OR REPLACE VIEW usage_by_model AS
SELECT model, count(DISTINCT session_id) AS sessions, count(CASE WHEN iteration = -1 THEN 1 END) AS calls,
       CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
       CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
       CAST(COALESCE(sum(thinking_tokens), 0) AS BIGINT) AS thinking_tokens,
       CAST(sum(cache_creation_tokens) AS BIGINT) AS cache_creation_tokens,
       CAST(sum(cache_creation_1h_tokens) AS BIGINT) AS cache_creation_1h_tokens,
       CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
       CAST(sum(web_search_requests) AS BIGINT) AS web_search_requests,
       sum(cost_usd) AS cost_usd
FROM usage_added GROUP BY model;

CREATE OR REPLACE VIEW usage_by_user AS
SELECT username, count(DISTINCT session_id) AS sessions, count(CASE WHEN iteration = -1 THEN 1 END) AS calls,
       CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
       CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
       CAST(COALESCE(sum(thinking_tokens), 0) AS BIGINT) AS thinking_tokens,
       CAST(sum(cache_creation_tokens) AS BIGINT) AS cache_creation_tokens,
       CAST(sum(cache_creation_1h_tokens) AS BIGINT) AS cache_creation_1h_tokens,
       CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
       CAST(sum(web_search_requests) AS BIGINT) AS web_search_requests,
       sum(cost_usd) AS cost_usd
FROM usage_added GROUP BY username;

CREATE OR REPLACE VIEW usage_by_tool AS
SELECT tool_name, event_type, count(*) AS calls, count(CASE WHEN is_error THEN 1 END) AS errors,
       count(DISTINCT session_id) AS sessions
FROM usage_events WHERE event_type <> 'slash_command' GROUP BY tool_name, event_type;

-- What the client says that sessions spent, each statement as a whole, and which of a session's is the largest.
CREATE OR REPLACE VIEW usage_stated AS
SELECT session_id, session_file, position, stated_at, started_at,
       row_number() OVER (PARTITION BY session_id ORDER BY tokens DESC, cost_usd DESC NULLS LAST,
                          stated_at DESC NULLS LAST, session_file, position DESC) AS place
FROM (
    SELECT session_id, session_file, position, max(stated_at) AS stated_at, max(started_at) AS started_at,
           sum(input_tokens + output_tokens + cache_creation_tokens + cache_read_tokens) AS tokens,
           CAST(sum(cost_usd) AS DECIMAL(38, 9)) AS cost_usd
    FROM usage_statements GROUP BY session_id, session_file, position
) whole;

-- The statement that counts of each session, and the one of its parent that it goes on from, with what is unknown.
CREATE OR REPLACE VIEW usage_heritage AS
SELECT s.session_id, s.session_file, s.position, s.stated_at, p.session_file AS parent_file,
       p.position AS parent_position,
       CASE WHEN NOT s.inherits THEN NULL
            WHEN NOT EXISTS (SELECT 1 FROM usage_files f WHERE f.session_id = s.forked_from) THEN 'parent unknown'
            WHEN p.session_file IS NULL THEN 'parent not stated' END AS reason
FROM (
    SELECT t.session_id, t.session_file, t.position, t.stated_at, m.forked_from, m.copied_at,
           m.forked_from IS NOT NULL AND (t.started_at IS NULL OR m.copied_at IS NULL OR t.started_at <= m.copied_at)
               AS inherits
    FROM usage_stated t
    LEFT JOIN usage_main_files m ON m.session_id = t.session_id
    WHERE t.place = 1
) s
LEFT JOIN (
    SELECT m.session_id, t.session_file, t.position,
           row_number() OVER (PARTITION BY m.session_id ORDER BY t.stated_at, t.session_file, t.position) AS place
    FROM usage_main_files m
    JOIN usage_stated t ON t.session_id = m.forked_from AND t.stated_at >= m.copied_at
    WHERE EXISTS (SELECT 1 FROM usage_files f WHERE f.session_id = m.forked_from)
) p ON s.inherits AND p.session_id = s.session_id AND p.place = 1;

CREATE OR REPLACE VIEW usage_owners AS
SELECT f.session_id, f.username FROM usage_files f
JOIN (SELECT COALESCE(m.session_file, any_file.session_file) AS session_file
      FROM (SELECT session_id, min(session_file) AS session_file FROM usage_files GROUP BY session_id) any_file
      LEFT JOIN usage_main_files m ON m.session_id = any_file.session_id) owner ON owner.session_file = f.session_file;

-- By session and model, what the client itself spent there; NULL where a fork's share is not known.
CREATE OR REPLACE VIEW usage_client_totals AS
SELECT h.session_id, o.username, h.stated_at, w.model,
       CASE WHEN h.reason IS NULL THEN w.input_tokens END AS input_tokens,
       CASE WHEN h.reason IS NULL THEN w.output_tokens END AS output_tokens,
       CASE WHEN h.reason IS NULL THEN w.cache_creation_tokens END AS cache_creation_tokens,
       CASE WHEN h.reason IS NULL THEN w.cache_read_tokens END AS cache_read_tokens,
       CASE WHEN h.reason IS NULL THEN w.web_search_requests END AS web_search_requests,
       CASE WHEN h.reason IS NULL THEN w.cost_usd END AS cost_usd, h.reason
FROM usage_heritage h
LEFT JOIN usage_owners o ON o.session_id = h.session_id
JOIN (
    SELECT session_id, model,
           CAST(sum(sign * input_tokens) AS BIGINT) AS input_tokens,
           CAST(sum(sign * output_tokens) AS BIGINT) AS output_tokens,
           CAST(sum(sign * cache_creation_tokens) AS BIGINT) AS cache_creation_tokens,
           CAST(sum(sign * cache_read_tokens) AS BIGINT) AS cache_read_tokens,
           CAST(sum(sign * web_search_requests) AS BIGINT) AS web_search_requests,
           CAST(CAST(sum(sign * cost_usd) AS DECIMAL(38, 9)) AS DOUBLE PRECISION) AS cost_usd
    FROM (
        SELECT h.session_id, t.model, 1 AS sign, t.input_tokens, t.output_tokens, t.cache_creation_tokens,
               t.cache_read_tokens, t.web_search_requests, t.cost_usd
        FROM usage_heritage h
        JOIN usage_statements t ON t.session_id = h.session_id AND t.session_file = h.session_file
            AND t.position = h.position
        UNION ALL
        SELECT h.session_id, t.model, -1, t.input_tokens, t.output_tokens, t.cache_creation_tokens,
               t.cache_read_tokens, t.web_search_requests, t.cost_usd
        FROM usage_heritage h
        JOIN usage_statements t ON t.session_file = h.parent_file AND t.position = h.parent_position
    ) both_sides
    GROUP BY session_id, model
) w ON w.session_id = h.session_id;

-- Of sessions with a statement, by model as the client would name it, what is counted: what the statement covers, and
-- what it does not.
CREATE OR REPLACE VIEW usage_reckoned AS
SELECT session_id, model,
       CAST(sum(CASE WHEN is_stated THEN input_tokens ELSE 0 END) AS BIGINT) AS counted_input_tokens,
       CAST(sum(CASE WHEN is_stated THEN output_tokens ELSE 0 END) AS BIGINT) AS counted_output_tokens,
       CAST(sum(CASE WHEN is_stated THEN cache_creation_tokens ELSE 0 END) AS BIGINT) AS counted_cache_creation_tokens,
       CAST(sum(CASE WHEN is_stated THEN cache_read_tokens ELSE 0 END) AS BIGINT) AS counted_cache_read_tokens,
       CAST(CAST(COALESCE(sum(CASE WHEN is_stated THEN cost_usd END), 0) AS DECIMAL(38, 9)) AS DOUBLE PRECISION)
           AS counted_cost_usd,
       CAST(sum(CASE WHEN NOT is_stated THEN input_tokens ELSE 0 END) AS BIGINT) AS not_yet_stated_input_tokens,
       CAST(sum(CASE WHEN NOT is_stated THEN output_tokens ELSE 0 END) AS BIGINT) AS not_yet_stated_output_tokens,
       CAST(sum(CASE WHEN NOT is_stated THEN cache_creation_tokens ELSE 0 END) AS BIGINT) AS not_yet_stated_cache_creation_tokens,
       CAST(sum(CASE WHEN NOT is_stated THEN cache_read_tokens ELSE 0 END) AS BIGINT) AS not_yet_stated_cache_read_tokens,
       CAST(CAST(COALESCE(sum(CASE WHEN NOT is_stated THEN cost_usd END), 0) AS DECIMAL(38, 9)) AS DOUBLE PRECISION)
           AS not_yet_stated_cost_usd
FROM (
    SELECT x.session_id,
           CASE WHEN c.iteration = -1 AND a.model IS NOT NULL THEN a.model ELSE c.model END AS model,
           c.input_tokens, c.output_tokens, c.cache_creation_tokens, c.cache_read_tokens, c.cost_usd,
           CASE WHEN c.session_file = h.session_file THEN c.position < h.position
                ELSE COALESCE(c.occurred_at <= h.stated_at, FALSE) END AS is_stated
    FROM usage_calls c
    JOIN (SELECT session_file, context, session_id, requested_model FROM usage_contexts
          WHERE session_id IN (SELECT session_id FROM usage_statements)) x
        ON x.session_file = c.session_file AND x.context = c.context
    JOIN usage_heritage h ON h.session_id = x.session_id
    LEFT JOIN (SELECT DISTINCT session_id, model FROM usage_statements) a
        ON a.session_id = x.session_id AND a.model = x.requested_model
    WHERE c.counted AND c.precedence IN (0, 2)
) rows_of_sessions
GROUP BY session_id, model;

-- By session and model: what is counted of what the client stated, what it says, what it has not stated yet, and what
-- no line explains. Both sides are added up, not joined: so each is read once. Sessions without a statement, which are
-- most of all, stand apart: a query that leaves them out does not read their calls.
CREATE OR REPLACE VIEW usage_reconciled AS
SELECT a.session_id, o.username, h.stated_at, a.model,
       a.counted_input_tokens,
       a.counted_output_tokens,
       a.counted_cache_creation_tokens,
       a.counted_cache_read_tokens,
       a.counted_cost_usd,
       CASE WHEN h.reason IS NULL THEN a.client_input_tokens END AS client_input_tokens,
       CASE WHEN h.reason IS NULL THEN a.client_output_tokens END AS client_output_tokens,
       CASE WHEN h.reason IS NULL THEN a.client_cache_creation_tokens END AS client_cache_creation_tokens,
       CASE WHEN h.reason IS NULL THEN a.client_cache_read_tokens END AS client_cache_read_tokens,
       CASE WHEN h.reason IS NULL THEN a.client_cost_usd END AS client_cost_usd,
       a.not_yet_stated_input_tokens,
       a.not_yet_stated_output_tokens,
       a.not_yet_stated_cache_creation_tokens,
       a.not_yet_stated_cache_read_tokens,
       a.not_yet_stated_cost_usd,
       CASE WHEN h.reason IS NULL
            THEN a.client_input_tokens - a.counted_input_tokens END AS unexplained_input_tokens,
       CASE WHEN h.reason IS NULL
            THEN a.client_output_tokens - a.counted_output_tokens END AS unexplained_output_tokens,
       CASE WHEN h.reason IS NULL
            THEN a.client_cache_creation_tokens - a.counted_cache_creation_tokens END AS unexplained_cache_creation_tokens,
       CASE WHEN h.reason IS NULL
            THEN a.client_cache_read_tokens - a.counted_cache_read_tokens END AS unexplained_cache_read_tokens,
       CASE WHEN h.reason IS NULL
            THEN CAST(CAST(a.client_cost_usd - a.counted_cost_usd AS DECIMAL(38, 9)) AS DOUBLE PRECISION) END AS unexplained_cost_usd,
       h.reason
FROM (
    SELECT session_id, model,
           CAST(sum(counted_input_tokens) AS BIGINT) AS counted_input_tokens,
           CAST(sum(counted_output_tokens) AS BIGINT) AS counted_output_tokens,
           CAST(sum(counted_cache_creation_tokens) AS BIGINT) AS counted_cache_creation_tokens,
           CAST(sum(counted_cache_read_tokens) AS BIGINT) AS counted_cache_read_tokens,
           sum(counted_cost_usd) AS counted_cost_usd,
           CAST(sum(client_input_tokens) AS BIGINT) AS client_input_tokens,
           CAST(sum(client_output_tokens) AS BIGINT) AS client_output_tokens,
           CAST(sum(client_cache_creation_tokens) AS BIGINT) AS client_cache_creation_tokens,
           CAST(sum(client_cache_read_tokens) AS BIGINT) AS client_cache_read_tokens,
           COALESCE(sum(client_cost_usd), 0) AS client_cost_usd,
           CAST(sum(not_yet_stated_input_tokens) AS BIGINT) AS not_yet_stated_input_tokens,
           CAST(sum(not_yet_stated_output_tokens) AS BIGINT) AS not_yet_stated_output_tokens,
           CAST(sum(not_yet_stated_cache_creation_tokens) AS BIGINT) AS not_yet_stated_cache_creation_tokens,
           CAST(sum(not_yet_stated_cache_read_tokens) AS BIGINT) AS not_yet_stated_cache_read_tokens,
           sum(not_yet_stated_cost_usd) AS not_yet_stated_cost_usd
    FROM (
        SELECT session_id, model, counted_input_tokens, counted_output_tokens, counted_cache_creation_tokens,
               counted_cache_read_tokens, counted_cost_usd, 0 AS client_input_tokens, 0 AS client_output_tokens,
               0 AS client_cache_creation_tokens, 0 AS client_cache_read_tokens, 0 AS client_cost_usd,
               not_yet_stated_input_tokens, not_yet_stated_output_tokens, not_yet_stated_cache_creation_tokens,
               not_yet_stated_cache_read_tokens, not_yet_stated_cost_usd
        FROM usage_reckoned
        UNION ALL
        SELECT session_id, model, 0, 0, 0, 0, 0, input_tokens, output_tokens, cache_creation_tokens,
               cache_read_tokens, cost_usd, 0, 0, 0, 0, 0
        FROM usage_client_totals
    ) both_sides
    GROUP BY session_id, model
) a
JOIN usage_heritage h ON h.session_id = a.session_id
LEFT JOIN usage_owners o ON o.session_id = a.session_id
UNION ALL
SELECT a.session_id, o.username, CAST(NULL AS TIMESTAMPTZ), a.model,
       CAST(0 AS BIGINT), CAST(0 AS BIGINT), CAST(0 AS BIGINT), CAST(0 AS BIGINT), CAST(0 AS DOUBLE PRECISION),
       CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT),
       CAST(NULL AS DOUBLE PRECISION),
       a.input_tokens, a.output_tokens, a.cache_creation_tokens, a.cache_read_tokens, a.cost_usd,
       CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT),
       CAST(NULL AS DOUBLE PRECISION), 'no statement'
FROM (
    SELECT x.session_id, c.model,
           CAST(sum(c.input_tokens) AS BIGINT) AS input_tokens,
           CAST(sum(c.output_tokens) AS BIGINT) AS output_tokens,
           CAST(sum(c.cache_creation_tokens) AS BIGINT) AS cache_creation_tokens,
           CAST(sum(c.cache_read_tokens) AS BIGINT) AS cache_read_tokens,
           CAST(CAST(COALESCE(sum(c.cost_usd), 0) AS DECIMAL(38, 9)) AS DOUBLE PRECISION) AS cost_usd
    FROM usage_calls c
    JOIN usage_contexts x ON x.session_file = c.session_file AND x.context = c.context
    WHERE c.counted AND c.precedence IN (0, 2) AND x.session_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM usage_statements s WHERE s.session_id = x.session_id)
    GROUP BY x.session_id, c.model
) a
LEFT JOIN usage_owners o ON o.session_id = a.session_id;

-- What this version does not know of the format, by session file: unknown names, models without a price, and message
-- ids of several requests. seen_at: when, as far as anybody can tell.
CREATE OR REPLACE VIEW usage_unknown_seen AS
SELECT u.kind, u.name, u.version, f.session_id, f.username, min(u.first_at) AS first_at, max(u.last_at) AS last_at,
       COALESCE(max(u.last_at), max(f.last_at)) AS seen_at
FROM usage_unknown u
JOIN usage_files f ON f.session_file = u.session_file
GROUP BY u.kind, u.name, u.version, f.session_file, f.session_id, f.username
UNION ALL
SELECT 'model', m.model, COALESCE(x.version, ''), COALESCE(x.session_id, m.session_file), x.username, m.first_at,
       m.last_at, m.last_at
FROM (
    SELECT session_file, context, model, min(occurred_at) AS first_at, max(occurred_at) AS last_at
    FROM usage_calls WHERE counted AND cost_usd IS NULL AND model IS NOT NULL
    GROUP BY session_file, context, model
) m
JOIN usage_contexts x ON x.session_file = m.session_file AND x.context = m.context
UNION ALL
SELECT 'several_requests', c.message_id, '', f.session_id, f.username, min(c.first_at), min(c.first_at),
       min(c.first_at)
FROM usage_calls c
JOIN usage_files f ON f.session_file = c.session_file
WHERE c.iteration = -1 AND c.precedence < 2 AND c.request_id <> ''
  AND c.message_id IN (
      SELECT message_id FROM usage_calls
      WHERE iteration = -1 AND precedence < 2 AND request_id <> ''
        AND message_id IN (SELECT message_id FROM usage_calls
                           WHERE NOT counted AND iteration = -1 AND precedence < 2 AND request_id <> '')
      GROUP BY message_id HAVING min(request_id) <> max(request_id)
  )
GROUP BY c.message_id, f.session_file, f.session_id, f.username;

-- The same by name and client version.
CREATE OR REPLACE VIEW unknown_records AS
SELECT kind, name, version, count(DISTINCT session_id) AS sessions, min(first_at) AS first_at,
       CASE WHEN kind = 'several_requests' THEN min(last_at) ELSE max(last_at) END AS last_at
FROM usage_unknown_seen
GROUP BY kind, name, version;
