"""What does not hold is named, and the database stays as it was."""

import errno
import json
import multiprocessing
import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.bootstrap import open_ledger
from ledger.exports import form, taking_in, writing
from ledger.exports.zstd import compressor, decompressor
from ledger.proofs import signing
from ledger.store import open_store
from ledger.store import sqlite as sqlite_store
from tests.store.examples import events

from .conftest import NAME, ask, run

Harm = Callable[[Path], object]
FORKED = multiprocessing.get_context("fork")


def summed(data: Path) -> None:
    """The list of digests as it is for what lies there: who changes a file changes it too."""
    sums = [(path.name, sha256(path.read_bytes()).hexdigest()) for path in data.iterdir()]
    (data.parent / form.SUMS).write_text(form.sums_text(sums))


def manifest_with(change: Callable[[dict[str, Any]], object]) -> Harm:
    def harm(data: Path) -> None:
        found = json.loads((data / form.MANIFEST).read_bytes())
        change(found)
        (data / form.MANIFEST).write_text(json.dumps(found))
        (data / form.SIGNED).unlink()  # who cannot sign the other one would leave it out
        summed(data)

    return harm


def resigned(harm: Harm) -> Harm:
    """With the signature of before."""
    def kept(data: Path) -> None:
        signature = (data / form.SIGNED).read_bytes()
        harm(data)
        (data / form.SIGNED).write_bytes(signature)
        summed(data)

    return kept


def packed(data: Path, part: dict[str, Any], plain: bytes, told: int | None = None) -> None:
    """Another content of a file, and its figures with it, as somebody would who means it."""
    work = compressor()
    bytes_ = work.compress(plain) + work.flush()
    (data / part["name"]).write_bytes(bytes_)
    part |= {"bytes": len(bytes_), "sha256": sha256(bytes_).hexdigest(), "plain_sha256": sha256(plain).hexdigest(),
             "plain_bytes": len(plain) if told is None else told}


def plain_of(data: Path, name: str) -> bytes:
    return decompressor().decompress((data / name).read_bytes())


def segment_with(change: Callable[[bytes], bytes], told: int | None = None) -> Harm:
    def harm(data: Path) -> None:
        def changed(found: dict[str, Any]) -> None:
            packed(data, found["segments"][0], change(plain_of(data, found["segments"][0]["name"])), told)

        manifest_with(changed)(data)

    return harm


def checkpoints_with(change: Callable[[list[bytes]], list[bytes]]) -> Harm:
    def harm(data: Path) -> None:
        def changed(found: dict[str, Any]) -> None:
            lines = plain_of(data, form.CHECKPOINTS).splitlines(keepends=True)
            packed(data, found["checkpoints"], b"".join(change(lines)))

        manifest_with(changed)(data)

    return harm


def cut(data: Path) -> None:
    path = next(data.glob("segment-*"))
    path.write_bytes(path.read_bytes()[:-40])


def flipped(data: Path) -> None:
    path = next(data.glob("segment-*"))
    found = bytearray(path.read_bytes())
    found[len(found) // 2] ^= 1
    path.write_bytes(found)


def linked(data: Path) -> None:
    path = next(data.glob("segment-*"))
    shutil.move(path, data.parent.parent / "elsewhere")
    path.symlink_to(data.parent.parent / "elsewhere")


def longer(data: Path) -> None:
    path = next(data.glob("segment-*"))
    path.write_bytes(path.read_bytes() + b"more")


def another_key(data: Path) -> None:
    text = (data / form.KEY).read_text()
    (data / form.CHECKPOINT).write_text((data / form.CHECKPOINT).read_text().replace(NAME, "ledger.example.org"))
    (data / form.KEY).write_text(text)
    summed(data)


def epochs_with(*numbers: int, told: int) -> Harm:
    """Restores that nobody has accepted."""
    def harm(data: Path) -> None:
        (data / form.EPOCHS).write_text(json.dumps([
            {"number": number, "accepted_at": "2026-01-01T00:00:00Z", "position": 3, "reached": 99, "lost_size": 0,
             "lost_root": "0" * 64, "authorities": ["a", "b"], "reason": "none"} for number in numbers]))
        manifest_with(lambda found: found.update(epoch=told))(data)

    return harm


def without_first_line(plain: bytes) -> bytes:
    return plain.partition(b"\n")[2]


def swapped(plain: bytes) -> bytes:
    lines = plain.splitlines(keepends=True)
    return b"".join([lines[1], lines[0], *lines[2:]])


HARMS: dict[str, tuple[Harm, str]] = {
    "a truncated segment": (cut, "it was cut off"),
    "a changed byte": (flipped, "damaged|was changed"),
    "more after the end": (longer, "something follows its end"),
    "a missing segment": (lambda data: next(data.glob("segment-*")).unlink(), "segment-1-12.jsonl.zst is missing"),
    "a missing checkpoint": (lambda data: (data / form.CHECKPOINT).unlink(), "checkpoint is missing"),
    "a missing list": (lambda data: (data.parent / form.SUMS).unlink(), "manifest-sha256.txt is missing"),
    "a list of nothing": (lambda data: (data.parent / form.SUMS).write_text(""), "says nothing of it"),
    "a list that is none": (lambda data: (data.parent / form.SUMS).write_text("x"), "line 1"),
    "no manifest": (lambda data: (data / form.MANIFEST).unlink(), "is no export"),
    "another bag": (lambda data: (data.parent / form.BAGIT).write_text("BagIt-Version: 9"), "bagit.txt is not that"),
    "a link": (linked, "is no regular file"),
    "no JSON": (lambda data: ((data / form.MANIFEST).write_text("{"), summed(data)), "is no JSON"),
    "another version": (manifest_with(lambda found: found.update(format="career-ledger/export.v9")),
                        r"format is 'career-ledger/export.v9', and this program reads"),
    "a path out of the folder": (manifest_with(lambda found: found["segments"][0].update(name="../../secret")),
                                 r"segments\[0\].name is '../../secret'"),
    "another path": (manifest_with(lambda found: found["checkpoints"].update(name="/etc/passwd")),
                     "checkpoints.name is '/etc/passwd'"),
    "a ledger id that is none": (manifest_with(lambda found: found.update(ledger="x")), r"\$\.ledger"),
    "an unknown field": (manifest_with(lambda found: found.update(more=1)), "more"),
    "a missing field": (manifest_with(lambda found: found.pop("highest")), "highest"),
    "a text for a number": (manifest_with(lambda found: found["segments"][0].update(first="1")),
                            r"\$\.segments\[0\]\.first"),
    "a highest position below": (manifest_with(lambda found: found.update(highest=5)), "highest"),
    "other counts": (manifest_with(lambda found: found.update(events=3)), "events is not the number"),
    "another ledger, as if it were signed": (resigned(manifest_with(lambda found: found.update(ledger="0" * 32))),
                                             "manifest.signed is not the signature"),
    "a higher position, as if it were signed": (resigned(manifest_with(lambda found: found.update(highest=99))),
                                                "manifest.signed is not the signature"),
    "a signature that is none": (lambda data: ((data / form.SIGNED).write_text("x"), summed(data)),
                                 "manifest.signed: "),
    "a signature that is missing": (lambda data: (data / form.SIGNED).unlink(), "manifest.signed is missing"),
    "no segments": (manifest_with(lambda found: found.update(segments=[])), "segments"),
    "an overlap": (manifest_with(lambda found: found["segments"].append(found["segments"][0])), r"segments\[1\]"),
    "other students": (manifest_with(lambda found: found.update(students=3)), "students or map_root"),
    "another map": (manifest_with(lambda found: found.update(map_root="0" * 64)), "students or map_root"),
    "another root": (manifest_with(lambda found: found.update(root="0" * 64)), "size and root in manifest.json"),
    "another key's checkpoint": (another_key, "checkpoint: "),
    "a changed event": (segment_with(lambda plain: plain.replace(b'"1.00"', b'"9.00"', 1)), "one of them was changed"),
    "a renamed event": (segment_with(lambda plain: plain.replace(b"instalment-paid.v1", b"enrolled.v1", 1)),
                        "one of them was changed"),
    "an event less": (segment_with(without_first_line), "is not that of the events|is version 2"),
    "an event of another version": (segment_with(lambda plain: plain.replace(b'"version":2}}', b'"version":3}}', 1)),
                                    "is version 3 of its stream"),
    "events in another order": (segment_with(swapped), "do not rise"),
    "a state that is no event": (segment_with(lambda plain: plain.replace(b'"student":"S1"', b'"student":1', 1)),
                                 "line 1: state names no student"),
    "a line that is none": (segment_with(lambda plain: b"x\n" + plain), "line 1: this is no event"),
    "no last line": (segment_with(lambda plain: plain[:-1]), "last line has no end"),
    "a file that expands without end": (segment_with(lambda plain: plain + b" " * 50_000_000, 6_000),
                                        "expands to more than"),
    "a line without end": (segment_with(lambda plain: b"x" * (form.LONGEST_LINE + 1_000_000)), "a line is longer"),
    "a checkpoint less": (checkpoints_with(lambda lines: lines[:2] + lines[3:]), "is not that of the events"),
    "no last checkpoint": (checkpoints_with(lambda lines: lines[:-1]), "no checkpoint covers position 11"),
    "a checkpoint too many": (checkpoints_with(lambda lines: [*lines, lines[-1].replace(b'n":12', b'n":13')]),
                              "is not at the last event"),
    "a checkpoint nowhere": (checkpoints_with(lambda lines: [line.replace(b'n":4', b'n":3') for line in lines]),
                             "is not that of the events"),
    "checkpoints twice": (checkpoints_with(lambda lines: [lines[0], *lines]), "is not that of the events"),
    "checkpoints in another order": (checkpoints_with(lambda lines: [lines[1], lines[0], *lines[2:]]),
                                    "is not that of the events"),
    "epochs that are none": (lambda data: ((data / form.EPOCHS).write_text('[{"number": 2}]'), summed(data)),
                             r"epochs.json: .*accepted_at.*\$\[0\]"),
    "an epoch that began nowhere": (manifest_with(lambda found: found.update(epoch=2)), "do not rise from 2"),
    "a restore that the log does not tell of": (epochs_with(2, told=2),
                                                "is one of ledger.example.edu/careers, and epoch in"),
    "a restore before the first epoch": (epochs_with(1, told=1), "do not rise from 2 to epoch"),
    "epochs with a hole": (epochs_with(2, 4, told=4), "do not rise from 2 to epoch"),
    "a version that no database holds": (segment_with(lambda plain: plain.replace(
        b'"version":2}}', b'"version":9223372036854775808}}', 1)), "line 2: state names no student"),
    "half a character for a student": (segment_with(lambda plain: plain.replace(
        b'"student":"S1"', b'"student":"\\ud800"', 1)), "line 1: state names no student"),
    "a moment changed": (segment_with(lambda plain: plain.replace(b"T12:00:00Z", b"T12:00:01Z", 1)),
                         "one of them was changed"),
    "a checkpoint that is none": (checkpoints_with(lambda lines: [b"{}\n", *lines]), "a line is no checkpoint"),
    "a note of another text": (checkpoints_with(lambda lines: [lines[0].replace(b"careers", b"cars"), *lines[1:]]),
                               "is not that of the events"),
}


@pytest.mark.parametrize("what", HARMS)
def test_nothing_is_imported_when_the_folder_has(what, folder, target) -> None:
    harm, words = HARMS[what]
    harm(folder / form.DATA)
    said = run(target, "import", str(folder), code=5)
    assert re.search(words, said), said
    assert not holds_anything(target)


def holds_anything(url: str) -> bool:
    """A ledger, or any table; an empty file is nothing."""
    path = url.removeprefix("sqlite:///")
    return Path(path).exists() and ask(url, "SELECT count(*) FROM sqlite_master") != [(0,)]


def test_ledger_that_was_used_stays_as_it_is(folder, store_url, tmp_path) -> None:
    other = f"sqlite:///{tmp_path / 'second.db'}" if store_url.startswith("sqlite") else store_url
    with open_store(other) as store:
        store.append(events("S99", 1, 1))
    assert "is not empty: something stands in its table stored_events" in run(other, "import", str(folder), code=6)
    with open_store(other) as store:
        assert store.last_position() == 1
        assert store.stream("S99")


def test_ledger_that_was_never_used_becomes_the_imported_one(folder, store_url, tmp_path) -> None:
    other = f"sqlite:///{tmp_path / 'second.db'}" if store_url.startswith("sqlite") else store_url
    open_store(other).close()
    run(other, "import", str(folder))
    with open_store(other) as store:
        assert store.last_position() == 12
        assert store.identity().origin == json.loads((folder / "data" / "manifest.json").read_bytes())["ledger"]
    assert "is not empty" in run(other, "import", str(folder), code=6)


def test_checkpoint_from_outside_must_be_one_of_them(folder, target, tmp_path) -> None:
    lines = plain_of(folder / "data", form.CHECKPOINTS).splitlines()
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "third").write_text(json.loads(lines[2])["note"])
    said = run(target, "import", str(folder), "--checkpoint", str(tmp_path / "held"))
    assert "compared with the checkpoint of 9 entries" in said
    signer = signing.load()
    (tmp_path / "held" / "other").write_text(signer.sign(signing.checkpoint_body(NAME, 9, bytes(32))))
    other = target.replace("target", "second")
    assert "entries that" in run(other, "import", str(folder), "--checkpoint", str(tmp_path / "held"), code=5)
    assert not holds_anything(other)


def test_key_store_of_another_ledger_is_refused_before_anything_is_read(folder, target, tmp_path, monkeypatch) -> None:
    keys, db = f"sqlite:///{tmp_path / 'keys.db'}", f"sqlite:///{tmp_path / 'own.db'}"
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(tmp_path / "master.key"))
    open_store(db).close()
    run(db, "--keys", keys, "keys", "new")
    said = run(target, "--keys", keys, "import", str(folder), code=6)
    assert "is the key store of another ledger" in said
    assert not holds_anything(target)


def test_nothing_is_left_when_the_disk_is_full(folder, target, tmp_path, sqlite_url, monkeypatch) -> None:
    as_it_is = sqlite_store.keep_a_log

    def small(connection: sqlite3.Connection) -> None:
        as_it_is(connection)
        connection.execute("PRAGMA max_page_count = 12")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_store, "keep_a_log", small)
        assert "nothing was imported" in run(target, "import", str(folder), code=6)
    assert not holds_anything(target)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(writing.os, "fsync", full)
        assert "again cannot be written (No space left" in run(sqlite_url, "export", str(tmp_path / "again"), code=6)
    assert [path.name for path in tmp_path.iterdir() if "again" in path.name] == []


def killed_at(url: str, folder: Path, events: int) -> None:
    def told(done: int, _: int) -> None:
        if done >= events:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_ledger(url) as ledger:
        ledger.import_folder(folder, (), (), told)


@pytest.mark.parametrize("position", [1, 6, 12])
def test_nothing_is_left_when_it_is_killed_half_way(folder, store_url, tmp_path, monkeypatch, position) -> None:
    other = f"sqlite:///{tmp_path / 'second.db'}" if store_url.startswith("sqlite") else store_url
    monkeypatch.setattr(taking_in, "PAGE", 1)
    process = FORKED.Process(target=killed_at, args=(other, folder, position))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    if other.startswith("sqlite"):
        assert not holds_anything(other)
    else:
        assert ask(other, "SELECT count(*) FROM pg_class WHERE relname = 'stored_events'") == [(0,)]
    run(other, "import", str(folder))
    run(other, "verify")


def test_part_of_an_export_is_no_export_when_it_is_killed(sqlite_url, folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(form, "manifest_text", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    process = FORKED.Process(target=run, args=(sqlite_url, "export", str(tmp_path / "again")))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    [part] = [path for path in tmp_path.iterdir() if path.name.startswith(".again")]
    assert "is no export" in run(sqlite_url, "import", str(part), code=5)
    assert not (tmp_path / "again").exists()
