"""The published files for a validator of JSON Schema: `nullable` is turned into a type beside it, in memory."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs
import yaml

FOLDER = files("ledger.eservices") / "contracts"
NAMES = sorted(one.name for one in FOLDER.iterdir() if one.name.endswith(".yaml"))
BY_SERVICE = {name[:5].lower(): name for name in NAMES}


class _Texts(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Days in examples are texts, as they are in JSON."""


_Texts.yaml_implicit_resolvers = {first: [one for one in found if one[0] != "tag:yaml.org,2002:timestamp"]
                                  for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()}


@cache
def file(service: str) -> Any:
    return yaml.load((FOLDER / BY_SERVICE[service]).read_bytes(), _Texts)  # noqa: S506 - a safe loader


def schema(value: Any) -> Any:
    if isinstance(value, list):
        return [schema(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: schema(one) for name, one in value.items() if name not in ("nullable", "example")}
    if value.get("nullable") is True and "type" in found:
        found["type"] = [found["type"], "null"]
        if "enum" in found and None not in found["enum"]:
            found["enum"] = [*found["enum"], None]
    return found


@cache
def validator(service: str, operation: str, what: str) -> Any:
    """`what`: request, or the answer of a status."""
    whole = file(service)
    post = whole["paths"][f"/{operation}"]["post"]
    content = post["requestBody"]["content"] if what == "request" else post["responses"][what]["content"]
    return jsonschema_rs.validator_for(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": schema(whole["components"]),
         **schema(content["application/json"]["schema"])}, validate_formats=True)


def operations() -> Iterator[tuple[str, str]]:
    for service in BY_SERVICE:
        for path, methods in file(service)["paths"].items():
            if "post" in methods:
                yield service, path.strip("/")


def examples(service: str, operation: str, what: str) -> list[Any]:
    post = file(service)["paths"][f"/{operation}"]["post"]
    content = post["requestBody"]["content"] if what == "request" else post["responses"][what]["content"]
    return [one["value"] for one in content["application/json"].get("examples", {}).values()]


def check(service: str, operation: str, answer: Any) -> None:
    """Raises where an answer is not as the file has it."""
    validator(service, operation, "200").validate(answer)
