"""The gate's OpenAPI document: its routes and no others, its answers, and whatever else may be asked by it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from consumers.booking_gate import openapi
from consumers.booking_gate.http import routes
from consumers.database import Database
from ledger.edges.door import Door, bound_to
from ledger.edges.web import Guard, Server
from tests.conforming import conforms
from tests.projections.populations import BOOKS, population, streams
from tests.sizes import sized

from .gate import NOW, Fed, Portal, a_call, portal
from .support import state_messages


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[tuple[Portal, str, str]]:
    """A gate that knows a few careers, and one of them."""
    url = f"sqlite:///{tmp_path / 'gate.db'}"
    with Database(url) as own:
        fed = Fed(own, max_age=1e10)
        for student, stream in streams(e.placed(n) for n, e in enumerate(population(3), 1)).items():
            fed.take(state_messages(stream, student, BOOKS))
            known = student, next(e.career for e in stream if e.career is not None)
        fed.know(NOW)
        fed.service.started.set()
        with portal(fed.service, url, max_age=1e10) as found:
            yield found, *known


def test_gates_document_names_its_routes_and_holds_for_its_answers(asked: tuple[Portal, str, str]) -> None:
    ask, student, career = asked
    described = ask.ask(None, openapi.PATH, "GET")[1]
    assert described == openapi.document()
    question = {"student": student, "career": career} | a_call()
    told = {"answer": ask.ask(question), "knowledge": ask.ask(None, "/v1/knowledge", "GET"),
            "problem": ask.ask({})}
    assert {name: status for name, (status, _) in told.items()} == {"answer": 200, "knowledge": 200, "problem": 422}
    for name, value in (*((name, found) for name, (_, found) in told.items()), ("question", question)):
        Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": described["components"]}
                             ).validate(value)


def test_gates_document_names_no_other_route(asked: tuple[Portal, str, str]) -> None:
    made: object = None
    served = {(path, method) for path, methods in routes(made, made).items()  # type: ignore[arg-type] # not asked
              for method in methods if path != openapi.PATH}
    assert served == {(path, method.upper()) for path, methods in openapi.document()["paths"].items()
                      for method in methods}


def test_gate_answers_whatever_its_document_allows(tmp_path: Path) -> None:
    """And nothing to who has no token, but the document."""
    door, token = Door(b"0" * 32), {"Authorization": "Bearer " + "0" * 32}
    place = bound_to("127.0.0.1:0", door, "--listen")
    with Database(f"sqlite:///{tmp_path / 'gate.db'}") as own:
        fed = Fed(own, max_age=1e10)
        fed.know(NOW)
        fed.service.started.set()
        with Server(routes(fed.gate, fed.service.started), place, guard=Guard(door, frozenset({openapi.PATH}))):
            assert Portal(place.port).ask(None, openapi.PATH, "GET")[0] == 200
            assert conforms(openapi.document(), place.port, {}, token, sized(10, 200)) == 2
