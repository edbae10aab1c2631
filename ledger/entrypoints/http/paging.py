"""Long answers page by page. A cursor says of what it is the next page: signed, with the filters inside, so that it
cannot be altered nor used with others. Nobody need read it."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from ledger.bootstrap import Answer
from ledger.domain.phrases import says
from ledger.edges.signed import opened, signed

from .problems import Misasked

MOST_ROWS = 1_000
LONGEST = 2_000
"""Characters of a cursor."""
ROWS_KEPT = 100_000
"""Of the reports that somebody is in the middle of (about 60 MB)."""


class Paged(BaseModel):
    """What every question takes that is answered page by page."""

    model_config = ConfigDict(extra="forbid")
    cursor: Annotated[str, Field(max_length=LONGEST)] | None = None
    limit: Annotated[int, Field(strict=True, ge=1, le=MOST_ROWS)] = 100


class Cursor(NamedTuple):
    """The next page of a question with its filters. `at`: where it begins, as whoever made it knows to read it."""

    question: str
    filters: Mapping[str, str]
    at: Sequence[Any]


class Cursors:
    """Writes and reads them. `secret` gives the key of the signatures, when it is first needed."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret
        self._key: bytes | None = None

    def write(self, cursor: Cursor) -> str:
        return signed(json.dumps(cursor, separators=(",", ":")).encode(), self._signing())

    def read(self, question: str, given: Mapping[str, str]) -> Cursor:
        """That of a query in which there is one; whatever else stands there must be as it says. Raises Misasked."""
        text = opened(given["cursor"], self._signing())
        if text is None:
            raise Misasked(400, "bad-cursor", says("http/cursor"), [
                {"parameter": "cursor", "detail": says("http/cursor")}])
        found = Cursor(*json.loads(text))
        others = {name: value for name, value in given.items() if name not in Paged.model_fields}
        if found.question != question or others.items() - found.filters.items():
            raise Misasked(400, "bad-cursor", says("http/cursor-of-another"), [
                {"parameter": "cursor", "detail": says("http/cursor-of-another")}])
        return found

    def _signing(self) -> bytes:
        if self._key is None:
            self._key = self._secret()
        return self._key


class KeptRows:
    """The rows of whole answers, for the pages that come after the first: all are of the same moment."""

    def __init__(self, most: int = ROWS_KEPT) -> None:
        self._most, self._held = most, OrderedDict[str, Answer]()
        self._lock = threading.Lock()

    def keep(self, answer: Answer) -> str:
        """What tells these rows from others, in whatever process and whenever they are found."""
        digest = blake2b(repr(answer["rows"]).encode(), digest_size=12).hexdigest()
        with self._lock:
            self._held[digest] = answer
            self._held.move_to_end(digest)
            while sum(len(one["rows"]) for one in self._held.values()) > self._most and len(self._held) > 1:
                self._held.popitem(last=False)
        return digest

    def again(self, digest: str, find: Callable[[], Answer]) -> Answer:
        """Those rows, found anew where they are not kept any more. Raises Misasked where they are others by now."""
        with self._lock:
            if digest in self._held:
                self._held.move_to_end(digest)
                return self._held[digest]
        found = find()
        if self.keep(found) != digest:
            raise Misasked(409, "moved-on", says("http/moved-on"))
        return found
