"""The files that show something: a student's proof, and a tlog-proof (C2SP). `auditor.py` reads them, and says what
they mean."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .auditor import PROOF, TLOG_PROOF


class Way(NamedTuple):
    """From a leaf to the root."""

    at: int
    hashes: Sequence[bytes]

    def text(self) -> str:
        return "".join((f"index {self.at}\n", *(f"{base64.b64encode(one).decode()}\n" for one in self.hashes), "\n"))


class Proven(NamedTuple):
    """`events`: position, stored name and stored bytes of each; `inclusions`: paths by version; `bucket`: leaf hashes
    by key, in order; `heads`: the entry that names the map, and its path."""

    student: str
    events: Sequence[tuple[int, str, bytes]]
    inclusions: Mapping[int, Way]
    bucket: Mapping[str, bytes]
    to_map: Way
    heads: bytes
    to_log: Way
    note: str


def tlog_proof(path: Way, note: str) -> str:
    return f"{TLOG_PROOF}\n{path.text()}{note}"


def proof(shown: Proven) -> str:
    """Its end is a tlog-proof of the entry that names the map."""
    def lines() -> Iterable[str]:
        yield f"{PROOF}\nstudent {shown.student}\nevents {len(shown.events)}\n"
        for position, name, state in shown.events:
            yield f"{position} {name}\n{state.decode()}\n"
        yield f"inclusions {len(shown.inclusions)}\n"
        for version, path in shown.inclusions.items():
            yield f"version {version}\n{path.text()}"
        yield f"bucket {len(shown.bucket)}\n"
        for key, leaf in shown.bucket.items():
            yield f"{key} {leaf.hex()}\n"
        yield shown.to_map.text() + shown.heads.decode() + tlog_proof(shown.to_log, shown.note)

    return "".join(lines())
