"""Processors: what is made from sessions. Each one sees only `processors.contract`."""
