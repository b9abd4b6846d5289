-- When all of each home was last looked at, and what in it Claude Code is about to delete: one row for each.
CREATE TABLE homes_visited (
    node           VARCHAR NOT NULL,
    home           VARCHAR NOT NULL,
    username       VARCHAR NOT NULL,
    known_since    TIMESTAMPTZ NOT NULL,
    visited_at     TIMESTAMPTZ,
    kept_days      DOUBLE PRECISION,
    doubt          VARCHAR,
    files_expiring BIGINT NOT NULL,
    oldest_ns      BIGINT,
    PRIMARY KEY (node, home)
);
