"""Certificates for servers and clients of tests, each its own authority."""

import subprocess
from pathlib import Path

NAME = "localhost"
"""The one name that they are for, and not the address behind it."""


def make(folder: Path, *names: str) -> None:
    """NAME.crt, NAME.key, and both in NAME.pem."""
    for name in names:
        key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
                        "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
        (folder / f"{name}.pem").write_bytes(key.read_bytes() + certificate.read_bytes())
