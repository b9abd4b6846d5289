"""Single sessions: their status, and the commands that change it."""
