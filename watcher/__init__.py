"""Session Watcher: follows transcripts as they are written, and keeps exact tables of what they hold."""
