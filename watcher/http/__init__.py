"""The local HTTP API and pages of a running service."""
