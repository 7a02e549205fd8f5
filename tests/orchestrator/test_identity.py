import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.identity import canonical, digest, key_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_the_order_of_keys_does_not_change_a_key(spec: dict[str, object]) -> None:
    backwards = dict(reversed(spec.items()))
    assert key_of("pool", digest(spec), {}) == key_of("pool", digest(backwards), {})


@given(json_values)
def test_canonical_json_reads_back_as_the_same_value(value: object) -> None:
    assert json.loads(canonical(value)) == value


def test_kind_spec_and_inputs_are_all_part_of_a_key() -> None:
    keys = {
        key_of("pool", digest({"n": 1}), {}),
        key_of("base", digest({"n": 1}), {}),
        key_of("pool", digest({"n": 2}), {}),
        key_of("pool", digest({"n": 1}), {"seed": "k"}),
        key_of("pool", digest({"n": 1.0}), {"pool": "k"}),
    }
    assert len(keys) == 5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object()])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical({"x": value})


def test_another_process_finds_the_same_key() -> None:
    spec = {"b": [1, 2.5, "ä"], "a": {"z": None, "y": True}}
    code = f"from orchestrator.identity import digest; print(digest({spec!r}))"
    environment = {"PYTHONHASHSEED": "7"}
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert there.stdout.strip() == digest(spec)
