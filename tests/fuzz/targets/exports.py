"""What somebody brings in a folder and says that it is an export: manifest, epochs, lines, compressed files."""

import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path

from ledger.exports import form, lines
from ledger.exports.zstd import decompressor
from ledger.proofs.reading import WrongProof

from .target import Target, or_refused

GOLDEN = Path(__file__).parents[2] / "golden" / "exports"
EPOCH = b"""[{"number":2,"accepted_at":"2026-04-20T09:00:00Z","position":3,"reached":9,"lost_size":4,"lost_root":"%b",
"authorities":["the rector","the director"],"reason":"the disk"}]""" % (b"ab" * 32)


def manifest(data: bytes) -> None:
    """One that is taken is written again so that it reads the same, and names nothing outside its folder."""
    found = or_refused(lambda: form.read_manifest(data, "the manifest"), WrongProof, "the manifest")
    if found is not None:
        assert form.read_manifest(form.manifest_text(found), "again") == found
        assert all("/" not in one.name for one in (*found.segments, found.checkpoints))


def epochs(data: bytes) -> None:
    found = or_refused(lambda: form.read_epochs(data, "the epochs"), WrongProof, "the epochs")
    if found is not None:
        assert form.read_epochs(form.epochs_text(found), "again") == found


def line(data: bytes) -> None:
    """The stored bytes come out as they lie there."""
    text = data.partition(b"\n")[0]
    found = or_refused(lambda: lines.read([text], "the segment", 7), WrongProof, "the segment, line 7")
    if found is not None:
        assert lines.written(found) == text + b"\n"


@cache
def bag() -> form.Bag:
    folder = Path(tempfile.mkdtemp())
    (folder / form.DATA).mkdir()
    for name in (form.BAGIT, form.SUMS):
        (folder / name).write_bytes((GOLDEN / "export-1" / "exported" / name).read_bytes())
    (folder / form.DATA / form.MANIFEST).write_bytes(manifests()[0])
    return form.Bag(folder)


def segment(data: bytes) -> None:
    """No more comes out than was said, and nothing else than was summed."""
    [told] = bag().manifest.segments
    (bag().data / told.name).write_bytes(data)
    taken: list[bytes] = []

    def read() -> list[bytes]:
        for some in bag().lines(told):
            taken.extend(some)
        return taken

    found = or_refused(read, WrongProof, told.name)
    assert sum(len(one) + 1 for one in taken) <= told.plain_bytes
    if found is not None:
        assert sha256(b"".join(one + b"\n" for one in found)).hexdigest() == told.plain_sha256


def files(ending: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(GOLDEN.glob(f"*/exported/data/{ending}"))]


def manifests() -> list[bytes]:
    return files(form.MANIFEST)


def some_lines() -> list[bytes]:
    return [one for packed in files("segment-*") for one in decompressor().decompress(packed).splitlines()[::16]]


TARGETS = (
    Target("export-manifest", manifest, manifests),
    Target("export-epochs", epochs, lambda: [EPOCH]),
    Target("export-line", line, some_lines),
    Target("export-segment", segment, lambda: files("segment-*"), 40),
)
