"""What stands beside the calls and tool uses of a stretch, each combination once."""

from __future__ import annotations

from typing import Any

import msgspec
import xxhash

from processors.records import ProgressData, Record, Tokens
from processors.transcript import clean
from processors.usage.rows import RULES_VERSION, Context

#: The fields of a context that lines say, in the order in which a key holds them.
_SAID = (
    "session_id", "cwd", "git_branch", "version", "agent_id", "asked_by", "requested_model", "effort", "skill",
    "plugin", "mcp_server", "mcp_tool", "agent", "speed", "inference_geo", "service_tier",
)  # fmt: skip


class Contexts:
    """The contexts of one stretch; the same has the same number in every stretch and run."""

    def __init__(self, username: str, priced_by: int) -> None:
        self._username, self._priced_by = username, priced_by
        self._known: dict[tuple[Any, ...], Context] = {}
        self._last_key: tuple[Any, ...] = ()
        self._last = 0
        #: By their numbers.
        self.rows: dict[int, Context] = {}

    def of(self, record: Record, data: ProgressData | None, asked_by: str, usage: Tokens | None) -> int:
        """The number of what stands beside a record's calls and uses."""
        if data is None:
            agent, side = record.agentId, record.isSidechain is True
        else:
            agent, side = data.agentId if data.agentId is not None else record.agentId, True
        speed = place = tier = None
        if usage is not None:
            speed, place, tier = usage.speed, usage.inference_geo, usage.service_tier
        key = (
            side, record.sessionId, record.cwd, record.gitBranch, record.version, agent, asked_by,
            record.requestedModel, record.effort, record.attributionSkill, record.attributionPlugin,
            record.attributionMcpServer, record.attributionMcpTool, record.attributionAgent,
            speed, place, tier,
        )  # fmt: skip
        if key == self._last_key:  # nearly always
            return self._last
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._make(key)
            self.rows[known.context] = known
        self._last_key, self._last = key, known.context
        return known.context

    def _make(self, key: tuple[Any, ...]) -> Context:
        side, *values = key
        texts = [clean(text) if text is not None else None for text in values]
        number = xxhash.xxh3_64_intdigest(msgspec.json.encode([*texts, side, RULES_VERSION, self._priced_by])) >> 1
        said = dict(zip(_SAID, texts, strict=True))
        return Context(
            number, RULES_VERSION, username=self._username, is_sidechain=side, priced_by=self._priced_by, **said
        )
