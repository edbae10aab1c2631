"""How a ledger in PostgreSQL is reached: the password outside of the address, and TLS that looks at the name."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.postgres.__main__ import server
from ledger.entrypoints.cli import cli
from tests.certificates import make

pytestmark = pytest.mark.xdist_group("own PostgreSQL")  # making its files takes longer than the rest


def _appended(url: str) -> Result:
    return CliRunner().invoke(cli, ["--db", url, "append", "-"], input="")


@pytest.mark.parametrize("place", ["PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE"])
def test_ledger_is_opened_when_the_password_stands_outside_the_address(
        place: str, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to = {name: str(value) for name, value in conninfo_to_dict(postgres_url).items()}
    file = tmp_path / "secrets"
    file.touch(0o600)
    address = f"postgresql://{to['user']}@{to['host']}:{to['port']}/{to['dbname']}"
    match place:
        case "PGPASSWORD":
            given = to["password"]
        case "PGPASSFILE":
            given = str(file)
            file.write_text(f"{to['host']}:{to['port']}:{to['dbname']}:{to['user']}:{to['password']}\n")
        case _:
            given, address = str(file), "postgresql:///?service=careers"
            file.write_text("[careers]\n" + "".join(f"{name}={value}\n" for name, value in to.items()))
    refused = _appended(address)
    assert refused.exit_code == 6
    assert to["password"] not in refused.output + repr(refused.exception)
    monkeypatch.setenv(place, given)
    assert _appended(address).exit_code == 0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """server.crt for the name localhost, its own authority, and other.crt, another's."""
    folder = tmp_path_factory.mktemp("tls")
    make(folder, "server", "other")
    return folder


@pytest.fixture(scope="module")
def encrypted(postgres_admin: str, certificates: Path) -> Iterator[str]:
    """The address of a server of its own that speaks TLS: the shared one is left as it is. Asking for that one says
    that this test needs a server."""
    with server() as url:
        with psycopg.connect(url, autocommit=True) as admin:
            (data,) = admin.execute("SHOW data_directory").fetchone() or ("",)
            owner = Path(data).stat()
            for name in ("server.crt", "server.key"):
                shutil.copyfile(certificates / name, made := Path(data, name))
                made.chmod(0o600)
                os.chown(made, owner.st_uid, owner.st_gid)
            admin.execute("ALTER SYSTEM SET ssl = on")
            admin.execute("SELECT pg_reload_conf()")
            until = time.monotonic() + 10
            while (admin.execute("SHOW ssl").fetchone() or ("",))[0] != "on" and time.monotonic() < until:
                time.sleep(0.01)
        yield url


def _address(url: str, host: str, root: Path) -> str:
    to = conninfo_to_dict(url)
    return (f"postgresql://{to['user']}:{to['password']}@{host}:{to['port']}/{to['dbname']}"
            f"?sslmode=verify-full&sslrootcert={root}")


def test_ledger_is_opened_over_tls_when_name_and_authority_are_right(encrypted: str, certificates: Path) -> None:
    address = _address(encrypted, "localhost", certificates / "server.crt")
    assert _appended(address).exit_code == 0
    with psycopg.connect(make_conninfo(address)) as link:
        assert link.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)


@pytest.mark.parametrize(("host", "root"), [("localhost", "other.crt"), ("127.0.0.1", "server.crt"),
                                            ("localhost", "none.crt")])
def test_ledger_is_not_opened_over_tls_when_the_server_cannot_be_believed(
        host: str, root: str, encrypted: str, certificates: Path) -> None:
    address = _address(encrypted, host, certificates / root)
    result = _appended(address)
    assert result.exit_code == 6
    assert result.output.startswith("career-ledger: ")
    assert str(conninfo_to_dict(encrypted)["password"]) not in result.output
