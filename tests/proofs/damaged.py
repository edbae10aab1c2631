"""A golden proof damaged in every way that we could think of: each is refused, by the auditor's script and by a
verifier made of the libraries of others.

    python -m tests.proofs.damaged FOLDER

writes one file for each into an empty folder (`make proofs-go`)."""

import base64
import re
import sys
from collections.abc import Callable
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
"""Accepted by the libraries of others (`make proofs-go`): whoever changes a byte of them changes a format."""
ZEROS = base64.b64encode(bytes(32)).decode()


def _without(text: str) -> str:
    """The newest event, with the lines that count it."""
    lines = text.split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("inclusions"))
    return "\n".join([*lines[:at - 2], *lines[at:]]).replace("events 3", "events 2")


DAMAGED: dict[str, Callable[[str], str]] = {
    "an event changed": lambda text: text.replace('"amount":"2.00"', '"amount":"3.00"'),
    "an event left out": lambda text: _without(text).replace("inclusions 3", "inclusions 0"),
    "the newest event left out, with its path": lambda text: re.sub(
        r"version 3\n.*?\n\n", "", _without(text).replace("inclusions 3", "inclusions 2"), flags=re.S),
    "all events left out": lambda text: re.sub(
        r"events 3\n.*?inclusions 3\n.*?bucket", "events 0\ninclusions 0\nbucket", text, flags=re.S),
    "a position changed": lambda text: text.replace("\n2 instalment-paid.v1", "\n3 instalment-paid.v1"),
    "a stored name changed": lambda text: text.replace("1 instalment-paid.v1", "1 instalment-paid.v2"),
    "another student": lambda text: text.replace("student S01", "student S02"),
    "her name changed in the bytes": lambda text: text.replace('"student":"S01"', '"student":"S02"', 1),
    "her bucket emptied": lambda text: re.sub(r"bucket 1\n.*\n", "bucket 0\n", text),
    "her bucket doubled": lambda text: re.sub(r"bucket 1\n(.*\n)", r"bucket 2\n\1\1", text),
    "a leaf of the bucket changed": lambda text: re.sub(r"(bucket 1\n\S+ )\S+", r"\g<1>" + "0" * 64, text),
    "another bucket": lambda text: re.sub(r"(bucket 1\n.*\nindex )\d+", r"\g<1>7", text),
    "another root of the map": lambda text: re.sub(r"(heads\.v1\n.*\n.*\n.*\n)\S+", r"\g<1>" + "0" * 64, text),
    "more students": lambda text: re.sub(r"(heads\.v1\n.*\n.*\n).*", r"\g<1>3", text),
    "an earlier end": lambda text: re.sub(r"(heads\.v1\n.*\n)4", r"\g<1>3", text),
    "a path changed": lambda text: re.sub(r"(version 2\nindex 1\n)\S+", rf"\g<1>{ZEROS}", text),
    "a path too long": lambda text: re.sub(r"(version 2\nindex 1\n)(\S+\n)", r"\1\2\2", text),
    "an index changed": lambda text: text.replace("version 2\nindex 1", "version 2\nindex 2"),
    "another size": lambda text: text.replace("careers\n6\n", "careers\n7\n"),
    "another root": lambda text: re.sub(r"(careers\n6\n)\S+", rf"\g<1>{ZEROS}", text),
    "a signature changed": lambda text: text[:-10] + "AAAAAAA==\n",
    "the end cut off": lambda text: text[:-100],
    "no number": lambda text: text.replace("events 3", "events 0x3"),
    "too many events": lambda text: text.replace("events 3", "events 999999999999"),
    "nothing": lambda text: "",
}


def main(folder: Path) -> None:
    text = (GOLDEN / "S01-full.proof").read_text()
    for what, damage in DAMAGED.items():
        (folder / f"{what.replace(' ', '-')}.proof").write_text(damage(text))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
