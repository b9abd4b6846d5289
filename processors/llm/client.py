"""One request through pydantic-ai, and what became of it in our own words. Loaded when a model is first asked."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import genai_prices
import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent, ModelResponse, ModelSettings, capture_run_messages
from pydantic_ai import exceptions as wrong
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import RequestUsage

from processors.contract import ModelAccess
from processors.llm.call_log import DAY, Outcome
from processors.transcript import clean

#: An answer of more bytes is not read: it would be none of a model.
LARGEST = 8_000_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a request."""

    outcome: Outcome
    answer: Any = None
    error: str = ""
    #: Seconds that the other side asked us to wait.
    retry_after: float | None = None
    #: Tokens in and out, where the other side said.
    paid: tuple[int, int] | None = None
    cost_usd: float | None = None


def request(access: ModelAccess, key: str, answer: type[Any], instructions: str, text: str, longest: int) -> Reply:
    """Ask once; from any thread."""
    return asyncio.run(_request(access, key, answer, instructions, text, longest))


async def _request(
    access: ModelAccess, key: str, answer: type[Any], instructions: str, text: str, longest: int
) -> Reply:
    provider, _, name = access.model.partition(":")
    hooks = {"response": [_bounded]}
    # A redirect would take the key elsewhere.
    async with httpx2.AsyncClient(timeout=access.timeout, follow_redirects=False, event_hooks=hooks) as http:
        model = _model(provider, name, key, access, http)
        agent = Agent(
            model,
            output_type=answer,
            instructions=instructions,
            retries=0,
            model_settings=ModelSettings(max_tokens=longest),
        )
        with capture_run_messages() as messages:
            try:
                # A time-out of the transport is one of each read, and an answer may come a byte at a time.
                async with asyncio.timeout(access.timeout):
                    result = await agent.run(text)
            except TimeoutError:
                return Reply("timed_out", error=f"no answer within {access.timeout:g} s ([model] timeout)")
            except _TooLarge:
                return Reply("malformed", error=f"its answer had more than {LARGEST} bytes")
            except wrong.AgentRunError as error:
                return _judged(error, _last(messages), provider, name, access)
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 — what a library raises over a stranger's bytes is open
                return Reply("malformed", error=f"its answer makes no sense ({type(error).__name__})")
        response = _last(messages)
        paid = _paid(response, provider, name)
        if response is not None and response.finish_reason == "length":
            return Reply("truncated", error=_TRUNCATED, **paid)
        if response is not None and response.finish_reason == "content_filter":
            return Reply("refused", error=_REFUSED, **paid)
        return Reply("ok", result.output, **paid)


_TRUNCATED = "its answer was cut off by its length; ask for less at once ([processors.verification] window_chars)"
_REFUSED = "it refused to answer"


def _model(provider: str, name: str, key: str, access: ModelAccess, http: httpx2.AsyncClient) -> Model:
    where = access.base_url or None
    if provider == "anthropic":
        anthropic = AsyncAnthropic(api_key=key, base_url=where, http_client=http, max_retries=0)
        return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=anthropic))
    openai = AsyncOpenAI(api_key=key, base_url=where, http_client=http, max_retries=0)
    return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=openai))


def _judged(
    error: wrong.AgentRunError, response: ModelResponse | None, provider: str, name: str, access: ModelAccess
) -> Reply:
    """What an error means to who asked."""
    told, after = _said(error), _patience(getattr(error, "retry_after", None))
    status = getattr(error, "status_code", None)
    paid = _paid(response, provider, name)
    if isinstance(error, wrong.ModelAuthenticationError):
        return Reply("unauthorised", error=f"the key is not accepted ({status}); set a valid one and start again")
    if isinstance(error, wrong.ModelQuotaExceededError):
        return Reply("unauthorised", error=f"the account has no credit left ({told}); see to it at the provider")
    if isinstance(error, wrong.ModelNotFoundError):
        return Reply("unauthorised", error=f"no such model is known there ({told}); see [model] model and base_url")
    if isinstance(error, wrong.ModelRateLimitError):
        return Reply("rate_limited", error=f"the provider asks to wait ({told})", retry_after=after)
    if isinstance(error, (wrong.ModelTimeoutError, wrong.ModelRequestTimeout)):
        return Reply("timed_out", error=f"no answer within {access.timeout:g} s ([model] timeout)")
    if isinstance(error, wrong.ModelConnectionError):
        if _too_large(error):
            return Reply("malformed", error=f"its answer had more than {LARGEST} bytes")
        return Reply("cut_off", error=f"the connection failed ({told})")
    if isinstance(error, wrong.ModelContextWindowExceededError):
        told = "so much text does not fit into it; ask for less at once ([processors.verification] window_chars)"
        return Reply("too_long", error=told)
    if isinstance(error, (wrong.ModelUnavailableError, wrong.ModelServerError)) or status in (408, 409, 425):
        return Reply("unavailable", error=f"the provider is in trouble ({told})", retry_after=after)
    if status is None and isinstance(error, wrong.ModelAPIError):
        status = getattr(error.__cause__, "status_code", None)
        if status is None:
            return Reply("malformed", error=f"its answer makes no sense ({told})")
    if isinstance(error, wrong.ModelAPIError):
        return Reply("rejected", error=f"the request was rejected ({told})")
    if isinstance(error, wrong.ContentFilterError):
        return Reply("refused", error=_REFUSED, **paid)
    finish = response.finish_reason if response is not None else None
    if isinstance(error, wrong.OutputTokenLimitExceeded) or finish == "length":
        return Reply("truncated", error=_TRUNCATED, **paid)
    if finish == "content_filter":
        return Reply("refused", error=_REFUSED, **paid)
    return Reply("malformed", error="its answer had not the shape that was asked for", **paid)


def _said(error: wrong.AgentRunError) -> str:
    """What the other side said, as far as it may be shown: it is a stranger's text."""
    status = getattr(error, "status_code", None)
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else body
    text = inner.get("message") if isinstance(inner, dict) else inner
    if not isinstance(text, str):
        text = "" if status else str(error)
    text = " ".join(clean(text).split())[:200]
    return f"{status}: {text}" if status and text else str(status or text)


def _patience(seconds: float | None) -> float | None:
    """Seconds to wait, as far as anybody can mean them."""
    if seconds is None or not math.isfinite(seconds):
        return None
    return min(max(0.0, seconds), DAY)


def _last(messages: list[Any]) -> ModelResponse | None:
    return next((one for one in reversed(messages) if isinstance(one, ModelResponse)), None)


def _paid(response: ModelResponse | None, provider: str, name: str) -> dict[str, Any]:
    """Tokens and cost of a response, as far as it says."""
    if response is None or not (response.usage.input_tokens or response.usage.output_tokens):
        return {}
    usage = response.usage
    paid = (_count(usage.input_tokens), _count(usage.output_tokens))
    return {"paid": paid, "cost_usd": _cost(usage, provider, name)}


def _count(tokens: int) -> int:
    return min(max(0, tokens), 10**9)


def _cost(usage: RequestUsage, provider: str, name: str) -> float | None:
    try:
        return float(genai_prices.calc_price(usage, name, provider_id=provider).total_price)
    except (LookupError, ValueError):
        return None


class _TooLarge(Exception):
    """An answer is larger than any model's."""


def _too_large(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _TooLarge):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


async def _bounded(response: httpx2.Response) -> None:
    """See that no more of an answer is read than it may have."""
    stream = response.stream
    assert isinstance(stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            if (size := size + len(chunk)) > LARGEST:
                raise _TooLarge
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
