"""Charts: figures as chart specifications, and as images."""
