"""A page of the console, in the visitor's language."""

from typing import Any

from ledger.edges.web import Response

from ..pages import LANGUAGE, html
from .visit import Visit


def page(asked: Visit, name: str, status: int = 200, /, **values: Any) -> Response:
    kept = ((b"set-cookie", f"{LANGUAGE}={asked.language}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly".encode()),)
    return html(f"{name}.html", asked.language, status, kept if asked.chosen else (), visit=asked, **values)
