"""People's homes: which there are, walking them safely, and what was refused there."""
