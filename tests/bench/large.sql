-- A large installation, row by row from the database's own generator.

-- name: chance
-- What stands for chance: a number below the first, the same for the same three others.
CREATE TEMPORARY MACRO chance(most, a, b, c) AS CAST(hash(a, b, c) % most AS BIGINT);

-- name: sessions
-- Every session: its number `n`, whose it is, what it is about. A row of it has a number `i` within it.
CREATE TEMPORARY TABLE made AS
SELECT n, key AS session_file, split_part(key, '/', 1) AS username,
       CAST(md5(CAST(n AS VARCHAR)) AS UUID)::VARCHAR AS session_id,
       'project-' || chance(300, n, 1, 0) AS project,
       CASE WHEN chance(3, n, 2, 0) = 0 THEN 'main' ELSE 'branch-' || chance(20, n, 3, 0) END AS git_branch,
       $1::TIMESTAMPTZ - INTERVAL 2 HOUR - to_seconds(86400.0 * $2 * (1 - n / $3)) AS began,
       5 + chance(90, n, 4, 0) AS pace, inode, size, mtime, ctime
FROM read_csv($4, header = false, columns = {
    'n': 'BIGINT', 'key': 'VARCHAR', 'inode': 'BIGINT', 'size': 'BIGINT', 'mtime': 'BIGINT', 'ctime': 'BIGINT'});

-- name: states
-- What each processor has of each.
INSERT INTO session_processor_state (processor_name, session_file, username, processed_at, items_extracted, file_hash,
    file_inode, file_size, file_mtime_ns, file_ctime_ns, processed_bytes, bad_lines, processor_version, status,
    attempts, last_error)
SELECT p, session_file, username, began + INTERVAL 1 HOUR, $1, 'xxh3:' || md5(session_file), inode, size, mtime, ctime,
       size, CASE WHEN chance(1000, n, 5, 0) = 0 THEN 1 ELSE 0 END, 1,
       CASE WHEN chance(2000, n, p, 0) = 0 THEN 'quarantined' ELSE 'ok' END,
       CASE WHEN chance(2000, n, p, 0) = 0 THEN 8 ELSE 0 END,
       CASE WHEN chance(2000, n, p, 0) = 0 THEN 'no good' END
FROM made, (VALUES ('usage'), ('errors'), ('verification')) AS processors(p) ORDER BY n;

-- name: files
-- Its file.
INSERT INTO usage_files
SELECT session_file, session_id, username, project, '2.1.' || (n // 5000), began, began + to_seconds(pace * 50),
       pace * 40, 1 + chance(12, n, 6, 0)
FROM made ORDER BY n;

-- name: contexts
-- What stands beside its calls and uses: those of an agent apart.
INSERT INTO usage_contexts
SELECT session_file, context, session_id, username, project, '/home/' || username || '/' || project, git_branch,
       '2.1.' || (n // 5000), CASE WHEN context = 1 THEN 'agent-' || chance(1000, n, 0, 0) END, context = 1
FROM made, range(2) AS contexts(context) ORDER BY n, context;

-- name: calls
-- Calls; now and then a session begins as a copy of another one, whose calls count once.
INSERT INTO usage_calls
SELECT session_file, 'msg_' || md5(n || ':' || i), 'req_' || md5(i || ':' || n), moment, moment, moment,
       ['claude-opus-4-6', 'claude-sonnet-4-5-20250929', 'claude-sonnet-4-5-20250929', 'claude-haiku-4-5-20251001',
        'claude-opus-4-5-20251101', 'claude-haiku-4-5-20251001', 'claude-sonnet-4-5-20250929',
        CASE WHEN n % 50 = 0 THEN 'a-model-without-a-price' ELSE 'claude-opus-4-6' END][1 + chance(8, n, i // 20, 0)],
       1 + chance(50, n, i, 1), chance(3000, n, i, 2), chance(9000, n, i, 3), 0, i * 4000 + chance(9000, n, i, 4),
       chance(20, n, i, 6) // 19,
       1 + chance(50, n, i, 1) + chance(3000, n, i, 2) + chance(9000, n, i, 3) + i * 4000 + chance(9000, n, i, 4),
       CASE WHEN n % 50 = 0 AND chance(8, n, i // 20, 0) = 7 THEN NULL ELSE chance(100000, n, i, 5) / 1e6 END,
       CASE WHEN i > 17 THEN 1 ELSE 0 END, i * 3, n % 33 <> 0 OR i > 15
FROM (SELECT *, began + to_seconds(CAST(i * pace * 2 AS DOUBLE)) AS moment FROM made, range($1) AS calls(i))
ORDER BY n, i;

-- name: uses
-- Uses of tools, each with its result.
INSERT INTO usage_uses
SELECT session_file, 'toolu_' || md5(n || '/' || i), result = 1,
       CASE WHEN result = 1 THEN NULL ELSE
           CASE chance(20, n, i, 0) WHEN 0 THEN 'skill' WHEN 1 THEN 'subagent' WHEN 2 THEN 'mcp_call' WHEN 3 THEN
           'slash_command' ELSE 'tool_use' END END AS kind,
       CASE kind WHEN 'skill' THEN 'Skill' WHEN 'subagent' THEN 'Task' WHEN 'mcp_call'
           THEN 'mcp__server' || chance(12, n, i, 2) || '__call' || chance(5, n, i, 3)
           WHEN 'tool_use' THEN ['Read', 'Edit', 'Bash', 'Grep', 'Glob', 'Write', 'Bash', 'Read', 'TodoWrite',
           'WebFetch'][1 + chance(10, n, i, 2)] END,
       CASE kind WHEN 'skill' THEN 'skill-' || chance(25, n, i, 2) END,
       CASE kind WHEN 'subagent' THEN 'agent-kind-' || chance(8, n, i, 2) END,
       CASE kind WHEN 'mcp_call' THEN 'server' || chance(12, n, i, 2) END,
       CASE kind WHEN 'slash_command' THEN '/command' || chance(15, n, i, 2) END,
       CASE WHEN result = 0 THEN 'claude-opus-4-6' END, moment,
       CASE WHEN result = 1 THEN bad END, CASE WHEN result = 1 THEN moment + INTERVAL 2 SECOND END,
       CASE WHEN result = 0 THEN moment END, CASE WHEN result = 0 THEN bad END,
       CASE WHEN result = 0 THEN moment + INTERVAL 2 SECOND END, 0, i * 5 + result, result = 0
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
