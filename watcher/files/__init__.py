"""Opening what a stranger may have put there."""
