"""Whatever bytes a parser is given, it gives a value that can be written and read again, or its own error, which names
the field: the targets say what that means for each. The same ones run under atheris (`make fuzz`)."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sizes import sized

from .mutations import mutated
from .targets import TARGETS, Target


@st.composite
def inputs(draw: st.DrawFn, target: Target) -> bytes:
    """Mostly what was good before something happened to it."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=60))
    return mutated(draw(st.sampled_from(target.seeds())), Random(draw(st.integers(0, 2**32))))


@pytest.mark.faults
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_parser_answers_in_its_own_words_when_its_bytes_are_anything(target: Target) -> None:
    for seed in target.seeds():
        target.check(seed)

    @settings(max_examples=target.examples * sized(10, 200) // 20, derandomize=True, database=None, deadline=None,
              suppress_health_check=list(HealthCheck))
    @given(inputs(target))
    def check(text: bytes) -> None:
        target.check(text)

    check()
