"""Time stamps (RFC 3161) of the checkpoints in a folder: an authority that has nothing to do with the ledger signs when
it saw one. Its answer stands beside the checkpoint, for `openssl ts -verify` to check: nothing here believes it. """

import http.client
import secrets
from hashlib import sha256
from pathlib import Path

from .reading import STAMP
from .tables import KeptPoint, ProofTables
from .witnesses import NotGiven, file_of, posted

_SHA256 = bytes.fromhex("300d06096086480165030402010500")
"""The algorithm's identifier in DER."""
GRANTED = (0, 1)


class Stamped:
    """A time stamp for each checkpoint in a folder, from the authority at a URL."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder

    def take(self, sealed: KeptPoint, note: str, tables: ProofTables) -> str | None:
        path = self._folder / file_of(sealed)
        try:
            digest = sha256(path.read_bytes()).digest()
        except OSError as error:
            raise NotGiven(f"{path} is not there to be stamped: {error.strerror}") from None
        nonce = secrets.token_bytes(8)
        status, answer = posted(self._url, request(digest, nonce), "application/timestamp-query")
        if status != http.client.OK or not is_granted(answer) or digest not in answer:
            raise NotGiven(f"{self._url} gives no time stamp of the checkpoint of {sealed.size} entries ({status})")
        try:
            path.with_name(path.name + STAMP).write_bytes(answer)
        except OSError as error:
            raise NotGiven(f"{path}{STAMP} cannot be written: {error.strerror}") from None
        return None


def request(digest: bytes, nonce: bytes) -> bytes:
    """TimeStampReq (RFC 3161, section 2.4.1) in DER: version 1, SHA-256, a nonce, with the authority's certificate."""
    number = int.from_bytes(nonce)
    imprint = _part(0x30, _SHA256 + _part(0x04, digest))
    return _part(0x30, b"\x02\x01\x01" + imprint + _part(0x02, number.to_bytes(number.bit_length() // 8 + 1))
                 + b"\x01\x01\xff")


def is_granted(answer: bytes) -> bool:
    """Whether a TimeStampResp begins with a status that grants it."""
    try:
        inner = _inside(_inside(answer))
        return inner[:2] == b"\x02\x01" and inner[2] in GRANTED
    except IndexError:
        return False


def _part(tag: int, content: bytes) -> bytes:
    """Short: fewer than 128 bytes."""
    return bytes([tag, len(content)]) + content


def _inside(der: bytes) -> bytes:
    """What stands in a SEQUENCE. Raises IndexError."""
    if der[0] != 0x30:
        raise IndexError
    return der[2 + (der[1] & 0x7F if der[1] & 0x80 else 0):]
