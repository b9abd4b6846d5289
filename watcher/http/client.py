"""How commands reach the running service."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from watcher.errors import ServiceTrouble


class Client:
    """Calls one service's API."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        # The service is on this machine: a proxy for the world has no business here.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str, **query: str | None) -> Any:
        """The answer to a GET."""
        return self._call("GET", path, query, timeout=30.0)

    def post(self, path: str, timeout: float = 30.0, **query: str | None) -> Any:
        """The answer to a POST."""
        return self._call("POST", path, query, timeout)

    def _call(self, method: str, path: str, query: dict[str, str | None], timeout: float) -> Any:
        words = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
        request = urllib.request.Request(
            f"{self._url}{path}{'?' + words if words else ''}",
            method=method,
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ServiceTrouble(f"the service answered {error.code} to {path}: {_detail(error)}") from None
        except (urllib.error.URLError, TimeoutError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ServiceTrouble(f"the service at {self._url} does not answer: {reason}") from None


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error).get("detail", error.reason))
    except (ValueError, AttributeError):
        return str(error.reason)
