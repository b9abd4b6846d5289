-- How far each processor took each session: one row for each of the two.
CREATE TABLE session_processor_state (
    processor_name    VARCHAR NOT NULL,
    session_file      VARCHAR NOT NULL,
    username          VARCHAR NOT NULL,
    processed_at      TIMESTAMPTZ,
    items_extracted   BIGINT NOT NULL,
    file_hash         VARCHAR,
    file_inode        BIGINT,
    file_size         BIGINT,
    file_mtime_ns     BIGINT,
    file_ctime_ns     BIGINT,
    processed_bytes   BIGINT NOT NULL,
    bad_lines         BIGINT NOT NULL,
    processor_version BIGINT,
    status            VARCHAR NOT NULL,
    attempts          BIGINT NOT NULL,
    last_error        VARCHAR,
    next_attempt_at   TIMESTAMPTZ,
    carry             VARCHAR,
    PRIMARY KEY (processor_name, session_file)
);
