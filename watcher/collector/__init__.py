"""The session-collector: copies people's transcripts from their homes to where they are processed."""
