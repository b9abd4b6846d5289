"""Processors: plug-ins that turn sessions into rows. Each one imports only `processors.contract`."""
