"""Model names: every spelling of a Claude model leads to the name that Anthropic's own API gives it."""

from __future__ import annotations

import re

# Whatever stands before (a region, a publisher, a gateway, the rest of an ARN) says who serves the model, not which
# it is; what follows a colon or a bracket is a variant of the route or of the context window.
_CLAUDE = re.compile(r"claude-[a-z0-9.@_-]*")
# Bedrock's and Vertex's own revision of a release: "-v1", "-v2-20241022". A "v" is the version itself where no
# digit stands before it: "claude-v2", "claude-instant-v1".
_REVISION = re.compile(r"(claude-[a-z-]*\d.*?)-v\d+(-\d{8})?")
_RELEASE = re.compile(r"-(?:\d{8}|latest|default)$")


def canonical_model(name: str) -> str:
    """The name in the spelling of Anthropic's API, its release date kept; another vendor's name as it is.

    ``us.anthropic.claude-opus-4-8-v1:0``, ``claude-opus-4-8[1m]`` and ``openrouter/anthropic/claude-opus-4.8`` are
    ``claude-opus-4-8``; ``claude-opus-4-1@20250805`` is ``claude-opus-4-1-20250805``.
    """
    places = _CLAUDE.findall(name.lower())
    if not places:
        return name
    found = re.sub(r"[.@_]", "-", places[-1]).rstrip("-")
    if (revised := _REVISION.fullmatch(found)) is not None:
        found = revised[1] + (revised[2] or "")
    return found


def names_of(model: str) -> tuple[str, ...]:
    """The names under which a model's price may be known, the most exact first."""
    canonical = canonical_model(model)
    names = [model, canonical]
    if canonical.startswith("claude-"):
        names.append(_RELEASE.sub("", canonical))
    return tuple(dict.fromkeys(names))
