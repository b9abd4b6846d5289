"""The local API of a running service."""
