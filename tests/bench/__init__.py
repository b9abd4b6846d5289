"""How fast it is, as ratios to plain yardsticks taken in the same run."""
