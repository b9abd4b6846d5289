"""Logging to stderr: readable lines on a terminal, JSON elsewhere."""

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

#: Whether to set up console output (None once set up), and the lowest level that is logged.
_owed: bool | None = None
_least = logging.NOTSET


class Log:
    """Logger of events with named details.

    structlog is imported at the first message: most commands log nothing and start faster without it.
    """

    def debug(self, event: str, **details: Any) -> None:
        """Log details for debugging."""
        _say("debug", event, details)

    def info(self, event: str, **details: Any) -> None:
        """Log normal operation."""
        _say("info", event, details)

    def warning(self, event: str, **details: Any) -> None:
        """Log something that needs attention."""
        _say("warning", event, details)

    def error(self, event: str, **details: Any) -> None:
        """Log a failure."""
        _say("error", event, details)

    def exception(self, event: str, **details: Any) -> None:
        """Log a failure with the exception being handled."""
        _say("exception", event, details)


def configure(format: Literal["auto", "console", "json"], level: Level) -> None:
    """Configure logging for the process."""
    global _owed, _least
    _owed = format == "console" or (format == "auto" and sys.stderr.isatty())
    _least = _NUMBERS[level]
    # Libraries log through the standard module; their records are forwarded.
    logging.basicConfig(level=max(_least, logging.WARNING), handlers=[_Libraries()], force=True)


def begin() -> None:
    """Import structlog now: later, a service may lack the file descriptors for it."""
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
    # Imported lazily: it is a seventh of the start-up time of a read-only command.
    import structlog

    getattr(structlog.get_logger(), level)(event, **details)


def _set_up(console: bool) -> None:
    # Imported lazily, as above.
    import structlog

    last: structlog.typing.Processor = (
        # Plain tracebacks: the default draws boxes and prints local variables, which may hold tokens.
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
