"""Logs: for people on a terminal, JSON elsewhere, always on stderr."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

Level = Literal["debug", "info", "warning", "error", "exception"]

_NUMBERS: dict[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "exception": logging.ERROR,
}

#: Whether it is for a terminal, as long as that is still to be set up, and the least that is said at all.
_owed: bool | None = None
_least = logging.NOTSET


class Log:
    """What a part of the program says: an event, and details by name.

    The library that writes it is loaded with the first word: most commands say nothing, and start the sooner.
    """

    def debug(self, event: str, **details: Any) -> None:
        """For who looks for a mistake."""
        _say("debug", event, details)

    def info(self, event: str, **details: Any) -> None:
        """What goes on."""
        _say("info", event, details)

    def warning(self, event: str, **details: Any) -> None:
        """What somebody should look at."""
        _say("warning", event, details)

    def error(self, event: str, **details: Any) -> None:
        """What went wrong."""
        _say("error", event, details)

    def exception(self, event: str, **details: Any) -> None:
        """What went wrong, with the exception that is being handled."""
        _say("exception", event, details)


def configure(format: Literal["auto", "console", "json"], level: Level) -> None:
    """Set up logging for a command's lifetime."""
    global _owed, _least
    _owed = format == "console" or (format == "auto" and sys.stderr.isatty())
    _least = _NUMBERS[level]
    # Libraries log through the standard module; theirs come out the same way.
    logging.basicConfig(level=max(_least, logging.WARNING), handlers=[_Libraries()], force=True)


def begin() -> None:
    """Load what writes now: a service may lack the descriptors for it when it has something to say."""
    global _owed
    if _owed is not None:
        _set_up(console=_owed)
        _owed = None


class _Libraries(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        details = {"exc_info": record.exc_info} if record.exc_info else {}
        _say("error" if record.levelno >= logging.ERROR else "warning", record.getMessage(), details)


def _say(level: Level, event: str, details: dict[str, Any]) -> None:
    if _NUMBERS[level] < _least:
        return
    begin()
    # Loaded when used: it is a seventh of what a command that only reads needs to start.
    import structlog

    getattr(structlog.get_logger(), level)(event, **details)


def _set_up(console: bool) -> None:
    # Loaded when used, as above.
    import structlog

    last: structlog.typing.Processor = (
        # Plain tracebacks: the default draws boxes, and shows what variables hold, tokens among them.
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
            *([] if console else [structlog.processors.format_exc_info]),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
