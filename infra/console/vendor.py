"""What the console's pages load and its tests check with, brought from npm packages into this repository.

    python infra/console/vendor.py            bring it again, and write what it is
    python infra/console/vendor.py --check    compare with what the repository holds: exit code 1 where it differs

A package is taken only with the sha512 that stands below; each file's sha256, as it came and as it is kept, and its
licence are written to `vendored.toml` beside the files. Bootstrap Italia's sheet is kept without the one font that it
carries as a data: address (of a video player), since the pages' policy lets no font come from there. Needs npm and
nothing else but Python's standard library.
"""

import base64
import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "ledger" / "entrypoints" / "http" / "console" / "assets"
CHECKERS = ROOT / "tests" / "console"
RECORD = "vendored.toml"


class Kept(NamedTuple):
    """A file of a package, and the name under which it is kept."""

    source: str
    name: str
    change: Callable[[bytes], bytes] = bytes


class Package(NamedTuple):
    """`integrity`: of its archive, as npm has it."""

    name: str
    version: str
    licence: str
    integrity: str
    folder: Path
    files: tuple[Kept, ...]


_FONT = re.compile(rb"@font-face\{font-family:VideoJS;[^}]*\}")


def without_data_font(sheet: bytes) -> bytes:
    """Raises ValueError where it is not there once: another version needs another look."""
    found, times = _FONT.subn(b"", sheet)
    if times != 1 or b"url(data:application" in found:
        raise ValueError(f"{times} fonts to take out of Bootstrap Italia's sheet: look at what it has now")
    return found


PACKAGES = (
    Package("bootstrap-italia", "2.18.3", "BSD-3-Clause (the sheet), OFL-1.1 (Titillium Web), Apache-2.0 (Roboto Mono)",
            "sha512-dz4kNtcAYJF4OsWABT9m3CAT3NH5y6OzGG+v/VUGH1LjumIUmlP3GaQ+aHgtv5Vw3B5dS0jbHZiHGSfdu+DffA==", ASSETS, (
                Kept("dist/css/bootstrap-italia.min.css", "bootstrap-italia.css", without_data_font),
                *(Kept(f"dist/fonts/Titillium_Web/titillium-web-v10-latin-ext_latin-{source}.woff2",
                       f"titillium-{weight}.woff2")
                  for source, weight in (("regular", 400), ("600", 600), ("700", 700))),
                Kept("dist/fonts/Roboto_Mono/roboto-mono-v13-latin-ext_latin-regular.woff2", "roboto-mono-400.woff2"),
                Kept("LICENSE", "licences/bootstrap-italia.txt"),
                Kept("dist/fonts/Titillium_Web/OFL.txt", "licences/titillium.txt"),
                Kept("dist/fonts/Roboto_Mono/LICENSE.txt", "licences/roboto-mono.txt"))),
    Package("htmx.org", "4.0.1", "0BSD",
            "sha512-oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg==", ASSETS, (
                Kept("dist/htmx.min.js", "htmx.js"), Kept("LICENSE", "licences/htmx.txt"))),
    Package("axe-core", "4.14.1", "MPL-2.0",
            "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
            CHECKERS, (
                Kept("axe.min.js", "axe.min.js"), Kept("LICENSE", "axe-licence.txt"))),
)


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 64
    wrong = []
    for folder in dict.fromkeys(one.folder for one in PACKAGES):
        found: dict[str, bytes] = {}
        record = "# Written by infra/console/vendor.py.\n"
        for package in (one for one in PACKAGES if one.folder == folder):
            said, files = brought(package)
            record += said
            found |= files
        for name, content in {**found, RECORD: record.encode()}.items():
            path = folder / name
            if not arguments:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            elif not path.is_file() or path.read_bytes() != content:
                wrong.append(str(path.relative_to(ROOT)))
    if wrong:
        print("not as the packages have it: " + ", ".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


def brought(package: Package) -> tuple[str, dict[str, bytes]]:
    """What is recorded of a package, and its files by the names under which they are kept."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", "--ignore-scripts", f"{package.name}@{package.version}"],
                       cwd=folder, check=True, stdout=subprocess.DEVNULL)
        [archive] = Path(folder).glob("*.tgz")
        held = archive.read_bytes()
    digest = "sha512-" + base64.b64encode(hashlib.sha512(held).digest()).decode()
    if digest != package.integrity:
        raise ValueError(f"{package.name}@{package.version} is not the package that was looked at: {digest}")
    lines = [f'\n[[package]]\nname = "{package.name}"\nversion = "{package.version}"\nlicence = "{package.licence}"\n'
             f'integrity = "{digest}"\n']
    files = {}
    with tarfile.open(fileobj=io.BytesIO(held)) as tar:
        for kept in package.files:
            member = tar.extractfile(f"package/{kept.source}")
            if member is None:
                raise ValueError(f"{package.name} has no file {kept.source}")
            raw = member.read()
            files[kept.name] = kept.change(raw)
            lines.append(f'[[package.file]]\nname = "{kept.name}"\nsource = "{kept.source}"\n'
                         f'sha256_of_source = "{_sha256(raw)}"\nsha256 = "{_sha256(files[kept.name])}"\n')
    return "".join(lines), files


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
