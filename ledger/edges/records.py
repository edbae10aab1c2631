"""What libraries log, as this program's own lines: apart from them (`log.py`), since most commands log nothing."""

import logging
from datetime import UTC, datetime

from .log import Chosen, Note, as_json
from .text import said


class OneLine(logging.Formatter):
    """A log record is one line, whatever it tells of others."""

    def format(self, record: logging.LogRecord) -> str:
        return said(super().format(record))


class JsonLines(logging.Formatter):
    """Of the libraries' loggers too: their id is the logger's name, and of an exception its type alone is told."""

    def format(self, record: logging.LogRecord) -> str:
        text: str = record.msg if isinstance(record.msg, Note) else Note(record.name, "{text}", text=_told(record))
        return as_json(datetime.fromtimestamp(record.created, UTC), record.name, record.levelname.lower(), text)


def _told(record: logging.LogRecord) -> str:
    kind = record.exc_info[0] if record.exc_info else None
    return record.getMessage() + (f" ({kind.__name__})" if kind is not None else "")


def formatter() -> logging.Formatter:
    """For the handler of a program that logs."""
    return JsonLines() if Chosen.format == "json" else OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s")
