-- A large installation, row by row from the database's own generator.

-- name: chance
-- What stands for chance: a number below the first, the same for the same three others.
CREATE TEMPORARY MACRO chance(most, a, b, c) AS CAST(hash(a, b, c) % most AS BIGINT);

-- name: sessions
-- Every session: its number `n`, whose it is, what it is about. A row of it has a number `i` within it. One in ten is a
-- subagent's, of the one before it.
CREATE TEMPORARY TABLE made AS
SELECT n, key AS session_file, split_part(key, '/', 1) AS username, n % 10 = 9 AS is_subagents,
       CAST(md5(CAST(n - CASE WHEN n % 10 = 9 THEN 1 ELSE 0 END AS VARCHAR)) AS UUID)::VARCHAR AS session_id,
       'project-' || chance(300, n, 1, 0) AS project, '~/team-' || chance(2, n, 9, 0) || '/' || project AS repository,
       CASE WHEN chance(3, n, 2, 0) = 0 THEN 'main' ELSE 'branch-' || chance(20, n, 3, 0) END AS git_branch,
       ['person', 'person', 'person', 'sdk', 'scheduled'][1 + chance(5, n, 7, 0)] AS asked_by,
       $1::TIMESTAMPTZ - INTERVAL 2 HOUR - to_seconds(86400.0 * $2 * (1 - n / $3)) AS began,
       5 + chance(90, n, 4, 0) AS pace, inode, size, mtime, ctime
FROM read_csv($4, header = false, columns = {
    'n': 'BIGINT', 'key': 'VARCHAR', 'inode': 'BIGINT', 'size': 'BIGINT', 'mtime': 'BIGINT', 'ctime': 'BIGINT'});

-- name: states
-- What each processor, of its present version, has of each.
INSERT INTO session_processor_state (processor_name, session_file, username, processed_at, items_extracted, file_hash,
    file_inode, file_size, file_mtime_ns, file_ctime_ns, processed_bytes, bad_lines, processor_version, status,
    attempts, last_error)
SELECT p, session_file, username, began + INTERVAL 1 HOUR, $1, 'xxh3:' || md5(session_file), inode, size, mtime, ctime,
       size, CASE WHEN chance(1000, n, 5, 0) = 0 THEN 1 ELSE 0 END, version,
       CASE WHEN chance(2000, n, p, 0) = 0 THEN 'quarantined' ELSE 'ok' END,
       CASE WHEN chance(2000, n, p, 0) = 0 THEN 8 ELSE 0 END,
       CASE WHEN chance(2000, n, p, 0) = 0 THEN 'no good' END
FROM made, (SELECT unnest($2::VARCHAR[]) AS p, unnest($3::BIGINT[]) AS version) ORDER BY n;

-- name: files
-- Its file.
INSERT INTO usage_files BY NAME
SELECT session_file, session_id, username, project, repository, '2.1.' || (n // 5000) AS version, began AS first_at,
       began + to_seconds(pace * 50) AS last_at, pace * 40 AS active_seconds, 0 AS human_turns, 2 AS rules_version,
       CASE WHEN is_subagents THEN session_id END AS parent_session,
       CASE WHEN NOT is_subagents THEN 'What is to be done about ' || n END AS title,
       CASE WHEN NOT is_subagents THEN asked_by END AS asked_by
FROM made ORDER BY n;

-- name: said
-- What was said in it.
INSERT INTO usage_said BY NAME
SELECT session_file, 'turn:' || hash(n, i) || ':' || n AS turn_id, 'prompt' AS kind, asked_by, 80 AS characters,
       began + to_seconds(i * pace * 4) AS seen_at, session_id, username, false AS is_copy, i * 7 AS position,
       true AS counted
FROM made, range(12) AS said(i) WHERE i <= chance(12, n, 6, 0) AND NOT is_subagents ORDER BY n, i;

-- name: links
-- Every tenth made a pull request.
INSERT INTO usage_links BY NAME
SELECT session_file, session_id, 'team/' || project || '#' || n AS pull_request, 'team/' || project AS repository,
       git_branch, began + to_seconds(pace * 45) AS linked_at, 99 AS position
FROM made WHERE chance(10, n, 8, 0) = 0 AND NOT is_subagents ORDER BY n;

-- name: contexts
-- What stands beside its calls and uses: nothing, an agent, a skill of a plugin, a server's tool.
INSERT INTO usage_contexts BY NAME
SELECT session_file, context, session_id, username, '/home/' || username || repository[2:] AS cwd, git_branch,
       '2.1.' || (n // 5000) AS version, CASE WHEN context = 1 THEN 'agent-' || chance(1000, n, 0, 0) END AS agent_id,
       context = 1 AS is_sidechain, 2 AS rules_version, asked_by, $1 AS priced_by, 'standard' AS service_tier,
       CASE WHEN n % 3 = 0 THEN 'high' END AS effort,
       CASE WHEN context = 1 THEN 'agent-kind-' || chance(8, n, 0, 2) END AS agent,
       CASE WHEN context = 2 THEN 'skill-' || chance(25, n, 0, 3) END AS skill,
       CASE WHEN context = 2 THEN 'plugin-' || chance(5, n, 0, 4) END AS plugin,
       CASE WHEN context = 3 THEN 'server' || chance(12, n, 0, 5) END AS mcp_server,
       CASE WHEN context = 3 THEN 'call' || chance(5, n, 0, 6) END AS mcp_tool
FROM made, range(4) AS contexts(context) ORDER BY n, context;

-- name: calls
-- Calls; now and then a session begins as a copy of another one, whose calls count once, or a row is an iteration.
INSERT INTO usage_calls BY NAME
SELECT session_file, 'msg_' || md5(n || ':' || i) AS message_id,
       CASE WHEN n % 20 = 0 AND i = 19 THEN 0 ELSE -1 END AS iteration, 'req_' || md5(i || ':' || n) AS request_id,
       moment AS seen_at, moment AS first_at, moment AS occurred_at,
       ['claude-opus-4-6', 'claude-sonnet-4-5-20250929', 'claude-sonnet-4-5-20250929', 'claude-haiku-4-5-20251001',
        'claude-opus-4-5-20251101', 'claude-haiku-4-5-20251001', 'claude-sonnet-4-5-20250929',
        CASE WHEN n % 50 = 0 THEN 'a-model-without-a-price' ELSE 'claude-opus-4-6' END
       ][1 + chance(8, n, i // 20, 0)] AS model,
       1 + chance(50, n, i, 1) AS input_tokens, chance(3000, n, i, 2) AS output_tokens,
       output_tokens // 3 AS thinking_tokens, chance(9000, n, i, 3) AS cache_creation_tokens,
       0 AS cache_creation_1h_tokens, i * 4000 + chance(9000, n, i, 4) AS cache_read_tokens,
       chance(20, n, i, 6) // 19 AS web_search_requests,
       input_tokens + output_tokens + cache_creation_tokens + cache_read_tokens AS tokens,
       CASE WHEN n % 50 = 0 AND chance(8, n, i // 20, 0) = 7 THEN NULL ELSE chance(100000, n, i, 5) / 1e6
            END AS cost_usd,
       CASE WHEN i > 17 THEN 1 WHEN i % 8 = 5 THEN 2 WHEN i % 8 = 7 THEN 3 ELSE 0 END AS context, i * 3 AS position,
       CASE WHEN i > 17 THEN 2 ELSE 0 END AS precedence, n % 33 <> 0 OR i > 15 AS counted
FROM (SELECT *, began + to_seconds(CAST(i * pace * 2 AS DOUBLE)) AS moment FROM made, range($1) AS calls(i))
ORDER BY n, i;

-- name: uses
-- Uses of tools, each with its result.
INSERT INTO usage_uses BY NAME
SELECT session_file, 'toolu_' || md5(n || '/' || i) AS use_id, result = 1 AS is_result,
       CASE WHEN result = 1 THEN NULL ELSE
           CASE chance(20, n, i, 0) WHEN 0 THEN 'skill' WHEN 1 THEN 'subagent' WHEN 2 THEN 'mcp_call' WHEN 3 THEN
           'slash_command' ELSE 'tool_use' END END AS event_type,
       CASE event_type WHEN 'skill' THEN 'Skill' WHEN 'subagent' THEN 'Task' WHEN 'mcp_call'
           THEN 'mcp__server' || chance(12, n, i, 2) || '__call' || chance(5, n, i, 3)
           WHEN 'tool_use' THEN ['Read', 'Edit', 'Bash', 'Grep', 'Glob', 'Write', 'Bash', 'Read', 'TodoWrite',
           'WebFetch'][1 + chance(10, n, i, 2)] END AS tool_name,
       CASE event_type WHEN 'skill' THEN 'skill-' || chance(25, n, i, 2) END AS skill_name,
       CASE event_type WHEN 'subagent' THEN 'agent-kind-' || chance(8, n, i, 2) END AS subagent_type,
       CASE event_type WHEN 'mcp_call' THEN 'server' || chance(12, n, i, 2) END AS mcp_server,
       CASE event_type WHEN 'slash_command' THEN '/command' || chance(15, n, i, 2) END AS command_name,
       CASE WHEN tool_name IN ('Edit', 'Write') THEN 'py' END AS language,
       CASE WHEN result = 0 THEN 'claude-opus-4-6' END AS model, moment AS seen_at, false AS is_copy,
       CASE WHEN result = 1 THEN bad END AS own_error,
       CASE WHEN result = 1 THEN moment + INTERVAL 2 SECOND END AS result_at,
       CASE WHEN result = 0 THEN moment END AS occurred_at, CASE WHEN result = 0 THEN bad END AS is_error,
       CASE WHEN result = 0 THEN moment + INTERVAL 2 SECOND END AS finished_at, 0 AS context,
       i * 5 + result AS position, result = 0 AS counted
FROM (SELECT *, began + to_seconds(CAST(i * pace * 3 AS DOUBLE)) AS moment, chance(25, n, i, 1) = 0 AS bad
      FROM made, range($1) AS uses(i), range(2) AS results(result)) ORDER BY n, i, result;

-- name: failures
-- Those that failed.
INSERT INTO error_results
SELECT session_file, use_id, coalesce(tool_name, 'Bash'), 'exit_code', seen_at, session_id, made.username,
       'the command ended with code 1', position, true
FROM usage_uses JOIN made USING (session_file) WHERE counted AND is_error ORDER BY n, position;

-- name: runs
-- A month of runs.
INSERT INTO job_runs
SELECT md5('run' || n), 'session-processor:' || ['usage', 'errors', 'verification'][1 + n % 3], 'clock',
       $1::TIMESTAMPTZ - to_minutes(3 * n), $1::TIMESTAMPTZ - to_minutes(3 * n) + INTERVAL 4 SECOND,
       CASE WHEN n % 500 = 1 THEN 'failed' ELSE 'ok' END, '{"scanned": 100000, "processed": 12}', NULL
FROM range(14000) AS runs(n);

-- name: audit
-- A month of requests.
INSERT INTO audit_log
SELECT md5('entry' || n), $1::TIMESTAMPTZ - to_minutes(2 * n), 'run_session_processor:usage', 'admin', NULL,
       '{"processor": "usage"}', 200, 300, NULL
FROM range(20000) AS entries(n);

-- name: items
-- What is known: most of it is approved, the rest waits.
INSERT INTO knowledge_items (item_id, title, content, domain, entities, status, source, audience, base, floor,
    verifiers, created_at, updated_at, confirmed_at, check_owed, check_attempts)
SELECT 'kv_' || md5('item' || n)[:12], 'What is to be known about ' || n, 'It is ' || md5(n || '') || ' for everybody.',
       'finance', '[]', CASE WHEN n % 4 = 0 THEN 'pending' ELSE 'approved' END, 'session', 'all', 0.9, 0.4, 1,
       moment, moment, moment, false, 0
FROM (SELECT n, $1::TIMESTAMPTZ - to_hours(n) AS moment FROM range(2000) AS items(n));

-- name: evidence
-- Its proof.
INSERT INTO verification_evidence (evidence_id, item_id, username, session_file, occurred_at, detection_type,
    user_quote, source, extractor, source_gone, added_at)
SELECT 'ev_' || md5(item_id), item_id, username, session_file, began, 'correction', content, 'session', 'rules', false,
       began
FROM (SELECT *, row_number() OVER (ORDER BY item_id) AS n FROM knowledge_items) JOIN made USING (n);
