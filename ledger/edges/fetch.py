"""One question to another server over HTTP. Nothing is followed elsewhere."""

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

SECONDS = 5.0


class Unanswered(Exception):
    """The text says why, without what was sent."""


def fetched(url: str, content: bytes | None = None, headers: Mapping[str, str] | None = None,
            seconds: float = SECONDS, longest: int = 1 << 20) -> tuple[int, bytes]:
    """Status and answer, up to `longest` bytes of it: of a POST where there is content, else of a GET. Raises
    Unanswered."""
    try:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        link = kind(parts.netloc, timeout=seconds)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            link.request("GET" if content is None else "POST", path, content, dict(headers or {}))
            answer = link.getresponse()
            return answer.status, answer.read(longest)
        finally:
            link.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unanswered(f"{url} does not answer ({type(error).__name__})") from None
