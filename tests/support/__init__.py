"""What tests share: places, services, planted corpora, and the oracle."""

from pathlib import Path

#: The repository.
ROOT = Path(__file__).parents[2]
