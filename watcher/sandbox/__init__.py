"""Sandbox: the child process in which a processor runs, what is said to it, and what it may answer."""
