"""A plan on disk says what the plan in memory says."""

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.planfile import fingerprint, read_plan, write_plan

LEAF = st.one_of(st.none(), st.integers(-9, 9), st.text(max_size=3))
PART = st.dictionaries(
    st.sampled_from("abc"), LEAF | st.dictionaries(st.sampled_from("de"), LEAF), max_size=3
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Plans whose cells and artifacts share some objects."""
    parts = draw(st.lists(PART, min_size=1, max_size=4))
    some = st.sampled_from(parts)
    cells = [
        {"axes": {"n": n}, "cell": {"data": draw(some), "amount": n}, "reference": None, "artifacts": {}}
        for n in range(draw(st.integers(0, 5)))
    ]
    artifacts = {
        f"k{n}": {"kind": "pool", "spec": draw(some), "places": draw(some), "label": ""}
        for n in range(draw(st.integers(0, 5)))
    }
    return {"study": "s", "settings": {"analysis": {}}, "cells": cells, "artifacts": artifacts, "cost": {}}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(documents())
def test_a_plan_comes_back_as_it_was(tmp_path_factory: Any, document: dict[str, Any]) -> None:
    path: Path = tmp_path_factory.mktemp("plans") / "1.json"
    before = json.dumps(document)
    assert write_plan(path, document)
    assert json.dumps(document) == before, "what is written stays as it was"
    again = read_plan(path)
    assert again == document
    assert fingerprint(again) == fingerprint(document)


def test_a_plan_is_written_once(tmp_path: Path) -> None:
    document = {"cells": [], "artifacts": {}, "settings": {"analysis": {}}}
    assert write_plan(tmp_path / "1.json", document)
    assert not write_plan(tmp_path / "1.json", {**document, "study": "another"})
    assert read_plan(tmp_path / "1.json") == document


def test_what_cells_share_is_one_object_when_read(tmp_path: Path) -> None:
    data = {"name": "large"}
    cells = [{"axes": {"n": n}, "cell": {"data": data}, "reference": None, "artifacts": {}} for n in range(2)]
    write_plan(tmp_path / "1.json", {"cells": cells, "artifacts": {}, "settings": {"analysis": {}}})
    first, second = read_plan(tmp_path / "1.json")["cells"]
    assert first["cell"]["data"] == data
    assert first["cell"]["data"] is second["cell"]["data"]


def test_a_plan_of_other_cells_has_another_fingerprint() -> None:
    def one(rate: float) -> dict[str, Any]:
        cell = {"axes": {}, "cell": {"train": {"rate": rate}}, "reference": None, "artifacts": {}}
        return {"cells": [cell], "artifacts": {}, "settings": {"analysis": {}}}

    assert fingerprint(one(0.1)) == fingerprint(one(0.1))
    assert fingerprint(one(0.1)) != fingerprint(one(0.2))
