"""What pages load: sheets, fonts and scripts that lie beside this module. `vendored.toml` says where each that is not
ours comes from, and under which licence."""

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from ledger.edges.web import Request, Response

TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".woff2": "font/woff2",
         ".svg": "image/svg+xml"}
PACKED = frozenset({".css", ".js", ".svg"})
"""What is worth packing: a font is packed already."""
KEPT = (b"cache-control", b"public, max-age=31536000, immutable")
"""Whatever changes is asked for under another address: the first digits of its sha256 stand in it. A sheet
names its fonts by what stands beside it."""
VARIES = (b"vary", b"Accept-Encoding")


class Asset(NamedTuple):
    """`packed`: with gzip, None where that saves nothing. `path`: where a page finds it."""

    body: bytes
    packed: bytes | None
    type: str
    path: str


@cache
def assets() -> dict[str, Asset]:
    """By name."""
    found: dict[str, Asset] = {}
    for one in files(__package__).joinpath("assets").iterdir():
        suffix = f".{one.name.rpartition('.')[2]}"
        if suffix in TYPES:
            body = one.read_bytes()
            mark = hashlib.sha256(body).hexdigest()[:12]
            packed = gzip.compress(body, 6, mtime=0) if suffix in PACKED else None
            found[one.name] = Asset(body, packed, TYPES[suffix], f"/assets/{mark}/{one.name}")
    return found


def path(name: str) -> str:
    """Raises KeyError where there is no such asset."""
    return assets()[name].path


def given(request: Request) -> Response:
    """Everybody may have it: who signs in needs it too."""
    asset = assets().get(request.parts[-1] if request.parts else "favicon.svg")
    if asset is None:
        return Response(404, b"", "text/plain")
    if asset.packed is not None and b"gzip" in request.headers.get(b"accept-encoding", b""):
        return Response(200, asset.packed, asset.type, (KEPT, VARIES, (b"content-encoding", b"gzip")))
    return Response(200, asset.body, asset.type, (KEPT, VARIES))
