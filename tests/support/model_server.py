"""A server on this machine that speaks as two providers do: Anthropic's Messages and OpenAI's chat completions.

The real client libraries talk to it; what it says, or how it fails, a test decides for each request.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request, as it came over the wire."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def anthropic(self) -> bool:
        return self.path.endswith("/messages")

    @property
    def text(self) -> str:
        """What the user's message says."""
        (message,) = [one for one in self.body["messages"] if one["role"] == "user"]
        content = message["content"]
        return content if isinstance(content, str) else "".join(part["text"] for part in content)

    @property
    def instructions(self) -> str:
        """What stands before it."""
        if self.anthropic:
            system = self.body["system"]
            return system if isinstance(system, str) else "".join(part["text"] for part in system)
        return "".join(one["content"] for one in self.body["messages"] if one["role"] in ("system", "developer"))

    @property
    def turns(self) -> list[tuple[str | None, str, str]]:
        """Each turn of a conversation that was sent: its id, who said it, and the words."""
        found = re.findall(r'<turn(?: id="(\w+)")? role="(\w+)"[^>]*>\n(.*?)\n</turn>', self.text, re.DOTALL)
        return [(name or None, role, words) for name, role, words in found]


@dataclass(frozen=True)
class Says:
    """What is answered."""

    #: The arguments of the tool by which typed answers are given; a string stands there as it is.
    answer: Any = None
    #: Words instead of them.
    text: str | None = None
    #: ``length`` or ``refusal``, where it did not end by itself.
    stop: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    #: The whole body instead of all that.
    raw: bytes | None = None
    #: Close the connection in the middle.
    cut: bool = False
    #: Send a byte at a time, with so many seconds between them.
    drip: float = 0.0
    #: First wait for this.
    after: threading.Event | None = None
    tokens: tuple[int, int] | None = (1000, 100)


Behaviour = Callable[[Asked], Says]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: whoever asked may go at any moment."""


class ModelServer:
    """Answers by its behaviour, and keeps what it was asked."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.asked: list[Asked] = []
        keeper = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                keeper.asked.append(asked)
                says = keeper.behaviour(asked)
                if says.after is not None:
                    says.after.wait(60)
                data = says.raw if says.raw is not None else json.dumps(_body(asked, says)).encode()
                try:
                    self.send_response(says.status)
                    for name, value in {"Content-Type": "application/json", **says.headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    if says.cut:
                        self.wfile.write(data[: len(data) // 2])
                        self.wfile.flush()
                        linger = struct.pack("ii", 1, 0)  # the other side sees a reset
                        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                        self.close_connection = True
                        self.connection.close()
                        return
                    while says.drip and data:
                        self.wfile.write(data[:1])
                        data = data[1:]
                        time.sleep(says.drip)
                    self.wfile.write(data)
                except OSError:  # whoever asked has gone
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def base_url(self, provider: str) -> str:
        """As the settings have it for a provider."""
        return self.url if provider == "anthropic" else f"{self.url}/v1"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[ModelServer]:
    """A server for as long as a test needs it."""
    server = ModelServer(behaviour)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _body(asked: Asked, says: Says) -> dict[str, Any]:
    if says.status != 200:
        return {"type": "error", "error": {"type": "some_error", "message": says.text or "not today"}}
    taken_in, out = says.tokens or (0, 0)
    if asked.anthropic:
        content: list[dict[str, Any]] = []
        if says.text is not None:
            content.append({"type": "text", "text": says.text})
        if says.answer is not None:
            tool = asked.body["tools"][0]["name"]
            content.append({"type": "tool_use", "id": "toolu_1", "name": tool, "input": says.answer})
        ends = {None: "tool_use" if says.answer is not None else "end_turn", "length": "max_tokens"}
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": asked.body["model"],
            "content": content,
            "stop_reason": ends.get(says.stop, says.stop),
            "stop_sequence": None,
            "usage": {"input_tokens": taken_in, "output_tokens": out},
        }
    message: dict[str, Any] = {"role": "assistant", "content": says.text, "refusal": None}
    if says.answer is not None:
        tool = asked.body["tools"][0]["function"]["name"]
        told = says.answer if isinstance(says.answer, str) else json.dumps(says.answer)
        call = {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": told}}
        message["tool_calls"] = [call]
    ends = {None: "tool_calls" if says.answer is not None else "stop", "refusal": "content_filter"}
    usage = {"prompt_tokens": taken_in, "completion_tokens": out, "total_tokens": taken_in + out}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_770_000_000,
        "model": asked.body["model"],
        "choices": [
            {"index": 0, "message": message, "finish_reason": ends.get(says.stop, says.stop), "logprobs": None}
        ],
        **({"usage": usage} if says.tokens else {}),
    }
