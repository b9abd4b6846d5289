-- Each failed tool call once, and by day.

CREATE OR REPLACE VIEW errors AS
SELECT tool_use_id, tool, kind, seen_at AS occurred_at, session_file, session_id, username, message
FROM error_results WHERE counted;

CREATE OR REPLACE VIEW errors_daily AS
SELECT CAST(occurred_at AT TIME ZONE {timezone} AS DATE) AS day, username, tool, kind, count(*) AS errors
FROM errors GROUP BY 1, 2, 3, 4;
