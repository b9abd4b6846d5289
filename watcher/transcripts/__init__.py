"""Transcripts: which files are sessions, how they are opened, and when their client deletes them."""
