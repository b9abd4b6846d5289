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

-- name: seen
-- What a sweep compares with the tree.
SELECT session_file, file_inode, file_size, file_mtime_ns, file_ctime_ns, processor_version, status, next_attempt_at
FROM session_processor_state
WHERE processor_name = $1;

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
