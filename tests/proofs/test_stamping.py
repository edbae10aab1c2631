"""Time stamps from a local authority, which openssl is, and which openssl checks."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.proofs.stamping import is_granted, request
from ledger.store import open_store
from tests.store.examples import events

from .conftest import run
from .test_witnesses import ForTests, served

CONFIG = """
[req]
distinguished_name = dn
prompt = no
x509_extensions = ext
[dn]
CN = An authority for tests
[ext]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
[tsa]
default_tsa = one
[one]
serial = serial
default_policy = 1.2.3.4.1
signer_digest = sha256
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Authority(ForTests):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def reply(self, content: bytes) -> tuple[int, bytes]:
        if self.answers:
            status, text = self.answers.pop(0)
            return status, text.encode()
        (self.folder / "query").write_bytes(content)
        openssl(self.folder, "ts", "-reply", "-config", "ts.cnf", "-section", "one", "-queryfile", "query", "-signer",
                "tsa.pem", "-inkey", "tsa.key", "-out", "answer")
        return 200, (self.folder / "answer").read_bytes()


def openssl(folder: Path, *words: str) -> str:
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[tuple[Authority, str]]:
    folder = tmp_path / "authority"
    folder.mkdir()
    (folder / "ts.cnf").write_text(CONFIG)
    (folder / "serial").write_text("01")
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            "tsa.key", "-out", "tsa.pem", "-days", "30", "-config", "ts.cnf")
    found = Authority(folder)
    with served(found) as url:
        yield found, url


def test_stamp_stands_beside_the_checkpoint_and_openssl_believes_it(sqlite_url, signing_key, authority,
                                                                    tmp_path) -> None:
    found, url = authority
    rector = tmp_path / "rector"
    rector.mkdir()
    with open_store(sqlite_url) as store:
        store.append(events("S01", 1, 1))
    run(sqlite_url, "checkpoint", "--to", str(rector), "--stamp", url)
    name = "ledger.example.edu_careers-2"
    checked = ("ts", "-verify", "-in", str(rector / f"{name}.tsr"), "-CAfile", "tsa.pem", "-data")
    assert "Verification: OK" in openssl(found.folder, *checked, str(rector / name))
    (tmp_path / "altered").write_text((rector / name).read_text().replace("careers\n2", "careers\n3"))
    with pytest.raises(AssertionError, match="mismatch"):
        openssl(found.folder, *checked, str(tmp_path / "altered"))
    run(sqlite_url, "verify", "--checkpoint", str(rector))


@pytest.mark.parametrize("answer", [(503, "later"), (200, ""), (200, "0\x050\x03\x02\x01\x02"), (200, "what?")])
def test_checkpoint_is_kept_without_a_stamp_when_the_authority_gives_none(sqlite_url, signing_key, authority, tmp_path,
                                                                          answer) -> None:
    found, url = authority
    rector = tmp_path / "rector"
    rector.mkdir()
    with open_store(sqlite_url) as store:
        store.append(events("S01", 1, 1))
    found.answers = [answer]
    assert "gives no time stamp" in run(sqlite_url, "checkpoint", "--to", str(rector), "--stamp", url, code=6)
    assert [path.name for path in rector.iterdir()] == ["ledger.example.edu_careers-2"]


def test_stamp_needs_a_folder_and_an_address(sqlite_url, signing_key, tmp_path) -> None:
    assert "name the folder" in run(sqlite_url, "checkpoint", "--stamp", "https://tsa.example.org/", code=2)
    assert "is no address" in run(sqlite_url, "checkpoint", "--to", str(tmp_path), "--stamp", "x", code=2)


@pytest.mark.parametrize("nonce", [b"\0" * 8, b"\xff" * 8, b"\0\x80" + b"\1" * 6, b"\x7f" * 8])
def test_request_is_one_that_openssl_reads(tmp_path, nonce) -> None:
    (tmp_path / "query").write_bytes(request(bytes(range(32)), nonce))
    text = openssl(tmp_path, "ts", "-query", "-in", "query", "-text")
    assert "Hash Algorithm: sha256" in text
    assert "Certificate required: yes" in text
    assert int(text.partition("Nonce: ")[2].split()[0], 16) == int.from_bytes(nonce)


def test_answer_that_is_none_is_not_granted() -> None:
    for answer in (b"", b"0", b"0\x82", b"0\0", b"1\0", b"0\x030\x01", b"0\x050\x03\x02\x01\x02"):
        assert not is_granted(answer)
    assert is_granted(b"0\x050\x03\x02\x01\0")
