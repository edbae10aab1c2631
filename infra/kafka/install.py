"""Java and the jars of Apache Kafka: found, or brought from Debian's packages and from Maven Central.

The jars are what `pom.xml` names, copied once by Maven (with the settings of this machine's user) into
$XDG_CACHE_HOME/career-ledger, or ~/.cache/career-ledger; a folder there is complete or absent.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from infra.debian import found_or_installed

POM = Path(__file__).with_name("pom.xml")
JAVA = 17
"""The oldest Java that runs Kafka 4."""
ELSE = "or name brokers in CAREER_LEDGER_TEST_KAFKA"


class NoBroker(Exception):
    """No broker could be brought up, or one does not do what was asked; the text says why and what would help."""


def say(text: str) -> None:
    print(f"kafka: {text}", file=sys.stderr, flush=True)


def version() -> str:
    """The version of Kafka that `pom.xml` pins, such as 4.4.0."""
    found = ElementTree.parse(POM).findtext(".//{*}kafka.version")  # noqa: S314 - our own file
    if not found:
        raise NoBroker(f"{POM} names no kafka.version")
    return found


def _javas() -> Iterator[str]:
    if home := os.environ.get("JAVA_HOME"):
        yield f"{home}/bin/java"
    if found := shutil.which("java"):
        yield found
    yield from map(str, sorted(Path("/usr/lib/jvm").glob("*/bin/java")))


def _installed_java(compiler: bool) -> str | None:
    for path in _javas():
        try:
            told = subprocess.run([path, "-version"], capture_output=True, text=True, stdin=subprocess.DEVNULL).stderr
        except OSError:
            continue
        found = re.search(r'version "(\d+)', told)
        if found and int(found[1]) >= JAVA and (not compiler or Path(path).resolve().with_name("javac").exists()):
            return path
    return None


def java(compiler: bool = False) -> str:
    """The path of a Java that is new enough; with `compiler` of one that runs source files."""
    kind = "jdk" if compiler else "jre"
    found = _installed_java(compiler)
    # each Debian release has one or both
    for package in (f"openjdk-{JAVA}-{kind}-headless", f"default-{kind}-headless"):
        found = found or found_or_installed(lambda: _installed_java(compiler), package)
    if found is None:
        raise NoBroker(f"Java {JAVA} or newer is needed: install it (Debian: openjdk-{JAVA}-{kind}-headless), {ELSE}")
    return found


def cache() -> Path:
    """What is brought once for this user lies here."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "career-ledger"


def jars() -> Path:
    """The folder with Kafka's jars; the first call on a machine brings them, which takes about a minute."""
    held = cache()
    folder = held / f"kafka-{version()}-{hashlib.sha256(POM.read_bytes()).hexdigest()[:8]}"
    if folder.is_dir():
        return folder
    held.mkdir(parents=True, exist_ok=True)
    with (held / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Maven's own repository does not bear two at once
        if not folder.is_dir():
            _copy_jars(held, folder)
    return folder


def _copy_jars(held: Path, folder: Path) -> None:
    maven = found_or_installed(lambda: shutil.which("mvn"), "maven")
    if maven is None:
        raise NoBroker(f"Maven is needed once, to bring Kafka: install it (Debian: maven), {ELSE}")
    say(f"bringing Apache Kafka {version()} with Maven (once)")
    with tempfile.TemporaryDirectory(dir=held, prefix="new-") as new:
        command = [maven, "--quiet", "--batch-mode", "--strict-checksums", "--file", str(POM),
                   "dependency:copy-dependencies",
                   "-DincludeScope=runtime", f"-DoutputDirectory={new}/lib"]
        if subprocess.run(command, stdout=sys.stderr, stdin=subprocess.DEVNULL).returncode != 0:
            raise NoBroker(f"Maven could not bring Apache Kafka {version()}: see above, {ELSE}")
        Path(new, "lib").rename(folder)
