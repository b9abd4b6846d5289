"""Model names: every spelling of a Claude model leads to one name, and no other vendor's is touched."""

from __future__ import annotations

import pytest

from processors.usage.model_names import canonical_model, names_of

SPELLINGS = {
    "claude-opus-4-8": "claude-opus-4-8",
    "claude-opus-4-8[1m]": "claude-opus-4-8",
    "CLAUDE-OPUS-4-8": "claude-opus-4-8",
    " claude-opus-4-8 ": "claude-opus-4-8",
    "claude-opus-4.8": "claude-opus-4-8",
    "claude-opus-5-5@default": "claude-opus-5-5-default",
    "us.anthropic.claude-opus-4-8-v1:0": "claude-opus-4-8",
    "eu.anthropic.claude-opus-4-8-v1": "claude-opus-4-8",
    "global.anthropic.claude-opus-4-8": "claude-opus-4-8",
    "apac.anthropic.claude-sonnet-4-20250514-v1:0": "claude-sonnet-4-20250514",
    "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0": "claude-sonnet-4-5-20250929",
    "anthropic.claude-3-sonnet-20240229-v1:0:200k": "claude-3-sonnet-20240229",
    "anthropic.claude-3-5-sonnet-20241022-v2:0": "claude-3-5-sonnet-20241022",
    "anthropic.claude-v2:1": "claude-v2",
    "anthropic.claude-instant-v1": "claude-instant-v1",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-8-v1:0": "claude-opus-4-8",
    "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-opus-4-8-v1:0": "claude-opus-4-8",
    "claude-opus-4-1@20250805": "claude-opus-4-1-20250805",
    "claude-3-5-sonnet-v2@20241022": "claude-3-5-sonnet-20241022",
    "publishers/anthropic/models/claude-opus-5-5": "claude-opus-5-5",
    "projects/p/locations/us-east5/publishers/anthropic/models/claude-opus-5-5@20260901:rawPredict": (
        "claude-opus-5-5-20260901"
    ),
    "vertex_ai/claude-opus-5-5@20260901": "claude-opus-5-5-20260901",
    "anthropic/claude-opus-4.8": "claude-opus-4-8",
    "openrouter/anthropic/claude-opus-4.8": "claude-opus-4-8",
    "anthropic/claude-sonnet-4.5:thinking": "claude-sonnet-4-5",
    "bedrock/eu.anthropic.claude-haiku-4-5-20251001-v1:0": "claude-haiku-4-5-20251001",
    "databricks-claude-sonnet-4-5": "claude-sonnet-4-5",
    "claude-gateway/claude-opus-4-8": "claude-opus-4-8",
    "gpt-5": "gpt-5",
    "openai/GPT-4o": "openai/GPT-4o",
    "model-of-tomorrow": "model-of-tomorrow",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef": (
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef"
    ),
    "claude": "claude",
    "": "",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_spelling_leads_to_the_model(spelling: str) -> None:
    """Without region, publisher, gateway, revision and context window; its release date stays."""
    assert canonical_model(spelling) == SPELLINGS[spelling]


@pytest.mark.parametrize("name", sorted(set(SPELLINGS.values())))
def test_a_canonical_name_is_its_own(name: str) -> None:
    """Asked twice, the answer is the same."""
    assert canonical_model(name) == name


def test_the_most_exact_name_comes_first() -> None:
    """As it is written, then canonical, then without its release."""
    assert names_of("us.anthropic.claude-sonnet-4-5-20250929-v1:0") == (
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5",
    )
    assert names_of("claude-opus-4-8") == ("claude-opus-4-8",)
    assert names_of("gpt-4o-20240806") == ("gpt-4o-20240806",)
