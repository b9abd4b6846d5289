"""Pipeline: from a changed session to committed rows, for one processor."""
