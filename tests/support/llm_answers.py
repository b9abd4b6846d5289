"""Answers of a model that finds everything."""

from __future__ import annotations

from typing import Any

from tests.support.model_server import Asked, Says


def note(turn: str, quote: str, **given: Any) -> dict[str, Any]:
    """What a well-behaved model says of one find."""
    return {
        "turn": turn,
        "quote": quote,
        "detection_type": "correction",
        "title": "A title",
        "content": "What is to be known.",
        "domain": "finance",
        "entities": ["Ledger"],
        **given,
    }


def everything(asked: Asked) -> Says:
    """A model that notes every turn it may, by its first words."""
    return Says({"notes": [note(name, words[:80]) for name, _, words in asked.turns if name is not None]})
