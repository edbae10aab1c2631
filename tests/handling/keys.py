"""A key store in memory for tests of the write path: whoever looks at the bytes does not find what it took."""

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from ledger.domain.events import Event, Sealed
from ledger.domain.protected import CodeTaken, IsForgotten, put_back, taken_out
from ledger.domain.submissions import Submission


class Keys:
    def __init__(self) -> None:
        self.forgotten: set[str] = set()
        self.codes: dict[str, str] = {}
        self.sealed: list[tuple[str, int]] = []
        """Student and version of all that was sealed."""

    def prepare(self, submissions: Sequence[Submission | Event]) -> None:
        pass

    def take(self, prepared: Any) -> dict[str, int]:
        return {}

    def key_of(self, event: Event) -> int:
        if event.student in self.forgotten:
            raise IsForgotten(event.student)
        code = taken_out(event)[1].get("data", {}).get("tax_code")
        if code is not None and self.codes.setdefault(code, event.student) != event.student:
            raise CodeTaken(event.student)
        return 1

    def seal(self, event: Event, key: int | None = None) -> Event:
        without, taken = taken_out(event)
        if not taken:
            return event
        self.sealed.append((event.student, event.version))
        box = b64encode(_turned(json.dumps(taken).encode())).decode()
        return replace(without, sealed=Sealed(key or self.key_of(event), box))

    def open(self, event: Event) -> Event | None:
        if event.student in self.forgotten or event.sealed is None:
            return None
        found = put_back(event, json.loads(_turned(b64decode(event.sealed.box))))
        assert taken_out(found)[0] == replace(event, sealed=None)
        return found


def _turned(text: bytes) -> bytes:
    return bytes(one ^ 0xAA for one in text)
