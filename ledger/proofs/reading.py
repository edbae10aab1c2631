"""Checking what lies in files: no database, and only the code of `auditor.py`."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .auditor import (
    LONGEST_FILE,
    LONGEST_NOTE,
    PROOF,
    TLOG_PROOF,
    Checkpoint,
    Key,
    Seen,
    Wrong,
    check_proof,
    compare,
    keys_given,
    open_checkpoint,
    read_checkpoint,
    read_handovers,
    read_key,
    read_text,
    witnessed,
)
from .signing import KeysGiven, is_named, load
from .verifying import Outside

MANIFEST, PACKAGE, STAMP = ".manifest.json", ".jsonl.gz", ".tsr"
"""Of an archive's day (`consumers.archive`); a checkpoint's time stamp."""


class WrongProof(Exception):
    """A file does not hold what it says; the text begins with its name."""


def verifier_keys(said: Sequence[str]) -> KeysGiven:
    """Those that are given, and hand-overs; where none are, the ledger's own, if this process has it. Raises
    WrongProof."""
    try:
        if said:
            return KeysGiven(*keys_given([*said]))
        if not is_named():
            return KeysGiven()
        mine = load()
        last = mine.last()
        return KeysGiven([read_key(mine.of(last.epoch if last is not None else 1).verifier)])
    except Wrong as error:
        raise WrongProof(f"--key: {error}") from None


def of_epochs(given: KeysGiven, epochs: int = 1, kept: str = "") -> list[Key]:
    """As `KeysGiven.of_epochs`. `kept`: the hand-overs that the ledger's own log tells of; they count as far as a key
    that was given leads to them. Raises WrongProof where two contradict each other."""
    with suppress(Wrong):  # a changed one leads nowhere, and `verify` names it
        given = given._replace(handovers=[*given.handovers, *read_handovers(kept)])
    try:
        return given.of_epochs(epochs)
    except Wrong as error:
        raise WrongProof(f"--key: {error}") from None


def outside_of(paths: Sequence[Path], keys: list[Key]) -> list[Outside]:
    """The checkpoints in these files, and in the files of these folders. Raises WrongProof."""
    files = [file for path in paths for file in
             (sorted(one for one in path.iterdir() if one.is_file() and not one.name.startswith(".")) if path.is_dir()
              else [path])]
    notes = [(str(file), note) for file in files if (note := _note(file)) is not None]
    return outside_notes(notes, keys)


def outside_notes(notes: Iterable[tuple[str, str]], keys: list[Key]) -> list[Outside]:
    """Those that stand elsewhere, as place and text. Raises WrongProof."""
    return [Outside(where, *_opened(where, note, keys)) for where, note in notes]


def _note(file: Path) -> str | None:
    """In a file, at the end of a student's proof, or in the manifest of an archive's day, which may have none; None for
    what stands beside them."""
    if file.name.endswith((PACKAGE, STAMP)):
        return None
    try:
        text = read_text(str(file), LONGEST_FILE)
        if text.startswith(PROOF):  # whoever kept a proof has kept a checkpoint
            text = text[text.rfind(f"\n{TLOG_PROOF}\n") + 1:].partition("\n\n")[2]
        if len(text) > LONGEST_NOTE:
            raise Wrong(f"it is larger than {LONGEST_NOTE} bytes")
        note = json.loads(text).get("checkpoint") if file.name.endswith(MANIFEST) else text
    except Wrong as error:
        raise WrongProof(f"{file}: {error}") from None
    except (ValueError, AttributeError, RecursionError):
        note = ""
    if not isinstance(note, str | None):
        raise WrongProof(f"{file}: checkpoint is no text")
    return note


def _opened(where: str, note: str, keys: list[Key]) -> tuple[Checkpoint, list[Seen]]:
    try:
        return open_checkpoint(note, keys) if keys else (read_checkpoint(note[:note.rfind("\n\n") + 1]), [])
    except Wrong as error:
        raise WrongProof(f"{where}: {error}") from None


def checked(file: Path, said: Sequence[str], outside: Sequence[Path]) -> dict[str, Any] | None:
    """What a proof or a checkpoint shows. `outside`: files of checkpoints from elsewhere that are the same; `student`
    and what follows it only of a proof. None without any key. Raises WrongProof, also where a witness whose key was
    given has not signed, and where checkpoints were given and none could be compared."""
    keys = of_epochs(verifier_keys(said))
    if not keys:
        return None
    try:
        text = read_text(str(file), LONGEST_FILE)
        proven = check_proof(text, keys) if text.startswith(PROOF) else None
        checkpoint, seen = (proven.checkpoint, proven.seen) if proven else open_checkpoint(text, keys)
        witnessed(seen, keys)
        compared = compare(checkpoint, [(one.where, one.checkpoint) for one in outside_of(outside, keys)])
    except Wrong as error:
        raise WrongProof(f"{file}: {error}") from None
    answer: dict[str, Any] = {
        "origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex(),
        "signed_by": [{"name": one.name, "time": one.time} for one in seen], "outside": compared}
    if proven is not None:
        answer |= {"student": proven.student, "position": proven.position, "log_events": proven.log_events,
                   "students": proven.students, "events": [
                       {"position": one.position, "version": one.version, "name": one.name, "state": one.state.decode()}
                       for one in proven.events]}
    return answer
