"""HTTP client of the commands for the running service."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from watcher.errors import ServiceTrouble, Unconfirmed

Value = str | int | list[str] | None


#: Response header: the text alone is enough for people.
SENTENCE = "X-Sentence"


class Client:
    """Calls one service's API."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._token = token
        # The service is on this machine: proxy settings must not apply.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str, /, **query: Value) -> Any:
        """Send a GET and return the answer."""
        return self._call("GET", path, query, timeout=60.0)

    def post(self, path: str, /, timeout: float = 60.0, **query: Value) -> Any:
        """Send a POST and return the answer."""
        return self._call("POST", path, query, timeout)

    def send(self, path: str, value: object, /, timeout: float = 60.0, **query: Value) -> Any:
        """Send a POST with a JSON body and return the answer."""
        return self._call("POST", path, query, timeout, json.dumps(value).encode())

    def _call(self, method: str, path: str, query: dict[str, Value], timeout: float, body: bytes | None = None) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        words = urllib.parse.urlencode(given, doseq=True)
        request = urllib.request.Request(
            f"{self.url}{path}{'?' + words if words else ''}",
            data=body,
            method=method,
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/json",
            },
        )
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            told = _said(error)
            if isinstance(told.get("unread"), list):
                raise Unconfirmed([(one["text"], one["warnings"]) for one in told["unread"]]) from None
            detail = _detail(error, told)
            # A refusal is shown in the words that the command itself would use.
            whole = error.code in (400, 404, 409) or error.headers.get(SENTENCE) is not None
            message = detail if whole else f"the service answered {error.code} to {path}: {detail}"
            raise ServiceTrouble(message, error.code) from None
        except (urllib.error.URLError, TimeoutError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ServiceTrouble(f"the service at {self.url} does not answer: {reason}") from None


def _said(error: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        found = json.load(error)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _detail(error: urllib.error.HTTPError, told: dict[str, Any]) -> str:
    try:
        detail = told.get("detail", error.reason)
        if isinstance(detail, list):  # the framework's own validation errors
            detail = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in detail)
        return str(detail)
    except (LookupError, TypeError):
        return str(error.reason)
