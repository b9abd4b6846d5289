"""Health: what is wrong, how far behind the service is, and what it stands on."""
