-- name: states
-- The state rows of some sessions.
SELECT processor_name, session_file, username, processed_at, items_extracted, file_hash, file_inode, file_size,
       file_mtime_ns, file_ctime_ns, processed_bytes, bad_lines, processor_version, status, attempts, last_error,
       next_attempt_at, carry
FROM session_processor_state
WHERE processor_name = $1 AND session_file = ANY($2);

-- name: state
-- The state row of one session.
SELECT processor_name, session_file, username, processed_at, items_extracted, file_hash, file_inode, file_size,
       file_mtime_ns, file_ctime_ns, processed_bytes, bad_lines, processor_version, status, attempts, last_error,
       next_attempt_at, carry
FROM session_processor_state
WHERE processor_name = $1 AND session_file = $2;

-- name: differing
-- The sessions of the tree of a node ('' for none) that a processor has not taken as they are, or not since a version
-- of it, or that are due again by a time: what is in the tree has a time of change.
SELECT coalesce(tree.session_file, taken.session_file), tree.file_mtime_ns
FROM tree
FULL JOIN (
    -- Each named in full: where one was missing, the tree's of the same name would be meant.
    SELECT s.session_file, s.file_inode, s.file_size, s.file_mtime_ns, s.file_ctime_ns, s.processor_version, s.status,
           s.next_attempt_at
    FROM session_processor_state AS s
    WHERE s.processor_name = $1
      AND CASE WHEN $4 = '' THEN strpos(s.session_file, ':') = 0 ELSE starts_with(s.session_file, concat($4, ':')) END
) AS taken ON taken.session_file = tree.session_file
WHERE CASE
    WHEN taken.session_file IS NULL THEN true
    WHEN tree.session_file IS NULL THEN taken.status <> 'gone'
    ELSE taken.status = 'gone'
      OR tree.file_inode IS DISTINCT FROM taken.file_inode
      OR tree.file_size IS DISTINCT FROM taken.file_size
      OR tree.file_mtime_ns IS DISTINCT FROM taken.file_mtime_ns
      OR tree.file_ctime_ns IS DISTINCT FROM taken.file_ctime_ns
      OR coalesce(taken.processor_version < $2, false)
      OR coalesce(taken.next_attempt_at <= $3, false)
    END;

-- name: earlier
-- The sessions of a node ('' for none) whose rows an earlier version of a processor has made, and that it could make
-- anew: not those whose file is gone, nor those that are taken from their beginning at their turn.
SELECT session_file
FROM session_processor_state
WHERE processor_name = $1 AND processor_version < $2 AND status <> 'gone' AND processed_bytes > 0
  AND CASE WHEN $3 = '' THEN strpos(session_file, ':') = 0 ELSE starts_with(session_file, concat($3, ':')) END
ORDER BY session_file;

-- name: count_earlier
-- How many these are, and their bytes.
SELECT count(*), CAST(coalesce(sum(processed_bytes), 0) AS BIGINT)
FROM session_processor_state
WHERE processor_name = $1 AND processor_version < $2 AND status <> 'gone' AND processed_bytes > 0
  AND CASE WHEN $3 = '' THEN strpos(session_file, ':') = 0 ELSE starts_with(session_file, concat($3, ':')) END;

-- name: shown
-- The bytes of a processor's sessions that a model was asked about, and the tokens that it was shown for them.
SELECT CAST(coalesce(sum(taken.processed_bytes), 0) AS BIGINT), CAST(coalesce(sum(asked.tokens), 0) AS BIGINT)
FROM session_processor_state AS taken
JOIN (
    SELECT session_file, sum(input_tokens) AS tokens
    FROM model_calls
    WHERE processor_name = $1 AND outcome = 'ok'
    GROUP BY session_file
) AS asked ON asked.session_file = taken.session_file
WHERE taken.processor_name = $1 AND taken.processed_bytes > 0;

-- name: forget_states
-- Makes room for the rows that take their place.
DELETE FROM session_processor_state WHERE processor_name = $1 AND session_file = ANY($2);

-- name: tallies
-- How many sessions each processor has in each status.
SELECT processor_name, status, count(*), CAST(sum(items_extracted) AS BIGINT), CAST(sum(bad_lines) AS BIGINT),
       CAST(sum(processed_bytes) AS BIGINT), max(processed_at)
FROM session_processor_state
GROUP BY processor_name, status
ORDER BY processor_name, status;

-- name: troubled
-- Sessions that failed or hold lines that could not be read, the latest first.
SELECT processor_name, session_file, status, attempts, last_error, next_attempt_at, bad_lines
FROM session_processor_state
WHERE status IN ('failed', 'quarantined') OR bad_lines > 0
ORDER BY (status IN ('failed', 'quarantined')) DESC, processed_at DESC, session_file
LIMIT $1;

-- name: migrations
-- Which migrations of one owner have been made.
SELECT number FROM schema_migrations WHERE owner = $1;

-- name: record_migration
-- Notes a migration, in the transaction that makes it.
INSERT INTO schema_migrations (owner, number, name, applied_at) VALUES ($1, $2, $3, $4);

-- name: begin_run
-- Notes that a job's run has begun.
INSERT INTO job_runs (run_id, name, trigger, started_at, outcome) VALUES ($1, $2, $3, $4, 'running');

-- name: finish_run
-- Notes how a run ended.
UPDATE job_runs SET finished_at = $2, outcome = $3, stats = $4, error = $5 WHERE run_id = $1;

-- name: interrupt_runs
-- What ran when the last service ended without a word.
UPDATE job_runs SET outcome = 'interrupted', error = 'the service ended while it ran' WHERE outcome = 'running';

-- name: last_runs
-- When each job last began.
SELECT name, max(started_at) FROM job_runs GROUP BY name;

-- name: latest_of_jobs
-- The last run of each of some jobs.
SELECT run_id, name, trigger, started_at, finished_at, outcome, stats, error
FROM job_runs
WHERE name = ANY($1) AND (name, started_at) IN (SELECT name, max(started_at) FROM job_runs GROUP BY name)
ORDER BY run_id DESC;

-- name: job_ends
-- When each job last ended in each way.
SELECT name, outcome, max(finished_at) FROM job_runs WHERE finished_at IS NOT NULL GROUP BY name, outcome;

-- name: runs
-- Runs by job, outcome ('' for any) and time, the latest first.
SELECT run_id, name, trigger, started_at, finished_at, outcome, stats, error
FROM job_runs
WHERE ($1 = '' OR name = $1) AND ($2 = '' OR outcome = $2) AND started_at >= $3 AND started_at <= $4
ORDER BY started_at DESC, run_id
LIMIT $5 OFFSET $6;

-- name: count_runs
-- How many there are of them.
SELECT count(*)
FROM job_runs
WHERE ($1 = '' OR name = $1) AND ($2 = '' OR outcome = $2) AND started_at >= $3 AND started_at <= $4;

-- name: drop_runs
-- Forgets runs that ended before a time; each job's last one stays, since its next depends on it.
DELETE FROM job_runs
WHERE started_at < $1 AND outcome <> 'running'
  AND started_at < (SELECT max(latest.started_at) FROM job_runs AS latest WHERE latest.name = job_runs.name);

-- name: note_audit
-- Notes who asked for what.
INSERT INTO audit_log (entry_id, asked_at, action, actor, resource, params, status, duration_ms, unhandled_error)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: audit
-- Entries by how their action begins, actor ('' for any) and time, the latest first.
SELECT entry_id, asked_at, action, actor, resource, params, status, duration_ms, unhandled_error
FROM audit_log
WHERE ($1 = '' OR strpos(action, $1) = 1) AND ($2 = '' OR actor = $2) AND asked_at >= $3 AND asked_at <= $4
  AND ($5 = '' OR strpos(action, $5) > 0 OR strpos(resource, $5) > 0) AND status >= $6
ORDER BY asked_at DESC, entry_id
LIMIT $7 OFFSET $8;

-- name: count_audit
-- How many there are of them.
SELECT count(*)
FROM audit_log
WHERE ($1 = '' OR strpos(action, $1) = 1) AND ($2 = '' OR actor = $2) AND asked_at >= $3 AND asked_at <= $4
  AND ($5 = '' OR strpos(action, $5) > 0 OR strpos(resource, $5) > 0) AND status >= $6;

-- name: audit_actors
-- Who has asked for anything.
SELECT DISTINCT actor FROM audit_log ORDER BY actor;

-- name: drop_audit
-- Forgets entries from before a time.
DELETE FROM audit_log WHERE asked_at < $1;

-- name: behind
-- How far a processor is behind the tree at a time ($2; the same in nanoseconds is $3): its latest pass, the newest
-- change of a file that is not put aside, how many files wait since before $4 (ns) and were never taken, the first.
-- Of a time that has not come nothing is told. A change has the earlier of a file's two times: a modification time
-- may be invented. A file is there since the later of those that have come: one that was moved in has an old one.
SELECT
    (SELECT max(processed_at) FROM session_processor_state WHERE processor_name = $1 AND processed_at <= $2),
    max(changed) FILTER (WHERE changed <= $3 AND NOT aside),
    count(*) FILTER (WHERE never),
    min(session_file) FILTER (WHERE never)
FROM (
    SELECT tree.session_file, least(tree.file_mtime_ns, tree.file_ctime_ns) AS changed,
           coalesce(taken.status IN ('failed', 'quarantined') OR taken.processed_at > $2, false) AS aside,
           taken.session_file IS NULL AND coalesce(greatest(
               CASE WHEN tree.file_mtime_ns <= $3 THEN tree.file_mtime_ns END,
               CASE WHEN tree.file_ctime_ns <= $3 THEN tree.file_ctime_ns END
           ) < $4, false) AS never
    FROM tree
    LEFT JOIN (
        SELECT s.session_file, s.status, s.processed_at FROM session_processor_state AS s WHERE s.processor_name = $1
    ) AS taken ON taken.session_file = tree.session_file
) AS files;

-- name: expiring
-- How many files of the tree that were last changed before a time ($1, ns) are not taken as they are by all of some
-- processors ($2; so many are $3), and when the oldest of them was. A state row without a time of change was written
-- while that was too fresh to be trusted: of a file this old it tells nothing.
SELECT count(*), min(file_mtime_ns)
FROM (
    SELECT tree.session_file, tree.file_mtime_ns
    FROM tree
    LEFT JOIN (
        SELECT s.session_file, s.processor_name, s.file_inode, s.file_size, s.file_mtime_ns, s.file_ctime_ns
        FROM session_processor_state AS s
        WHERE s.processor_name = ANY($2) AND s.status = 'ok'
    ) AS taken
        ON taken.session_file = tree.session_file AND taken.file_inode = tree.file_inode
        AND taken.file_size = tree.file_size AND taken.file_mtime_ns = tree.file_mtime_ns
        AND coalesce(taken.file_ctime_ns, tree.file_ctime_ns) = tree.file_ctime_ns
    WHERE tree.file_mtime_ns < $1
    GROUP BY tree.session_file, tree.file_mtime_ns
    HAVING count(taken.processor_name) < $3
) AS files;

-- name: homes
-- What a machine knows of each home.
SELECT home, username, known_since, visited_at, kept_days, doubt, files_expiring, oldest_ns
FROM homes_visited
WHERE node = $1
ORDER BY home;

-- name: forget_homes
-- Makes room for what is known now.
DELETE FROM homes_visited WHERE node = $1;

-- name: sessions
-- Sessions by processor, status, user and a part of their key ('' for any), the latest first.
SELECT processor_name, session_file, username, status, processed_at, items_extracted, processed_bytes, file_size,
       bad_lines, attempts, last_error, next_attempt_at
FROM session_processor_state
WHERE ($1 = '' OR processor_name = $1) AND ($2 = '' OR status = $2) AND ($3 = '' OR username = $3)
  AND ($4 = '' OR strpos(session_file, $4) > 0)
ORDER BY processed_at DESC NULLS LAST, session_file, processor_name
LIMIT $5 OFFSET $6;

-- name: count_sessions
-- How many there are of them.
SELECT count(*)
FROM session_processor_state
WHERE ($1 = '' OR processor_name = $1) AND ($2 = '' OR status = $2) AND ($3 = '' OR username = $3)
  AND ($4 = '' OR strpos(session_file, $4) > 0);

-- name: session_keys
-- Sessions with any row by processor, status, user and a part of their key ('' for any), the latest first.
SELECT session_file, max(processed_at)
FROM session_processor_state
WHERE ($1 = '' OR processor_name = $1) AND ($2 = '' OR status = $2) AND ($3 = '' OR username = $3)
  AND ($4 = '' OR strpos(session_file, $4) > 0)
GROUP BY session_file
ORDER BY max(processed_at) DESC NULLS LAST, session_file
LIMIT $5;

-- name: count_session_keys
-- How many there are of them.
SELECT count(DISTINCT session_file)
FROM session_processor_state
WHERE ($1 = '' OR processor_name = $1) AND ($2 = '' OR status = $2) AND ($3 = '' OR username = $3)
  AND ($4 = '' OR strpos(session_file, $4) > 0);

-- name: rows_of_sessions
-- What each processor has of some sessions.
SELECT processor_name, session_file, username, status, processed_at, items_extracted, processed_bytes, file_size,
       bad_lines, attempts, last_error, next_attempt_at
FROM session_processor_state
WHERE session_file = ANY($1)
ORDER BY session_file, processor_name;

-- name: session
-- Everything that is noted of one session.
SELECT processor_name, session_file, username, processed_at, items_extracted, file_hash, file_inode, file_size,
       file_mtime_ns, file_ctime_ns, processed_bytes, bad_lines, processor_version, status, attempts, last_error,
       next_attempt_at, carry
FROM session_processor_state
WHERE session_file = $1
ORDER BY processor_name;

-- name: keys
-- Session keys that hold a text, of one user ('' for any).
SELECT DISTINCT session_file
FROM session_processor_state
WHERE strpos(session_file, $1) > 0 AND ($2 = '' OR username = $2)
ORDER BY 1
LIMIT 50;

-- name: keys_with_status
-- Session keys with a status, at one processor ('' for any).
SELECT DISTINCT session_file
FROM session_processor_state
WHERE status = $1 AND ($2 = '' OR processor_name = $2)
ORDER BY 1;

-- name: make_token
-- A new token.
INSERT INTO api_tokens (token_id, name, role, username, digest, created_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: token_named
-- The token in force of a name.
SELECT token_id FROM api_tokens WHERE name = $1 AND revoked_at IS NULL;

-- name: token_of
-- Whose token in force a digest is.
SELECT name, role, username FROM api_tokens WHERE digest = $1 AND revoked_at IS NULL;

-- name: tokens
-- Every token.
SELECT token_id, name, role, username, created_at, revoked_at FROM api_tokens ORDER BY created_at, token_id;

-- name: revoke_token
-- Ends a token.
UPDATE api_tokens SET revoked_at = $2 WHERE token_id = $1;

-- name: note_call
-- A call of a model, as it is known now.
INSERT INTO model_calls (call_id, started_at, purpose, processor_name, session_file, model, input_tokens,
                         output_tokens, cost_usd, outcome, seconds, error)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (call_id) DO UPDATE SET
    input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, cost_usd = excluded.cost_usd,
    outcome = excluded.outcome, seconds = excluded.seconds, error = excluded.error;

-- name: calls_since
-- What is known of the calls since a time.
SELECT call_id, outcome FROM model_calls WHERE started_at >= $1;
