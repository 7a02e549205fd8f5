"""Which artifacts go into which job."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import packing
from orchestrator.identity import Artifact, Kind
from orchestrator.settings import Resources
from tests.tiny import RESOURCES, SLURM

WITH_GPU = RESOURCES.model_copy(update={"gpus": 1})


def a_study(n_cells: int, engine: str = "transformers") -> dict[str, Artifact]:
    """A pool and a base, and for each cell a checkpoint, two completions and two records."""
    artifacts: dict[str, Artifact] = {}

    def add(kind: Kind, name: str, **inputs: str) -> str:
        spec = {"engine": engine} if kind == "completions" else {}
        artifacts[name] = Artifact(kind, name, spec, inputs)
        return name

    add("pool", "pool")
    add("base", "base")
    for cell in range(n_cells):
        weights = add("checkpoint", f"checkpoint{cell}", base="base", pool="pool")
        for benchmark in "ab":
            answers = add("completions", f"completions{cell}{benchmark}", weights=weights)
            add("record", f"record{cell}{benchmark}", completions=answers)
    return artifacts


def packed(
    to_make: dict[str, Artifact], target: float, with_gpu: tuple[Kind, ...] = ()
) -> list[packing.Batch]:
    def resources_of(artifact: Artifact) -> Resources:
        return WITH_GPU if artifact.kind in with_gpu else RESOURCES

    units = packing.units(to_make, resources_of, lambda artifact: 10.0)
    return packing.batches(units, target)


def test_a_cell_is_one_unit_where_one_job_can_make_all_of_it() -> None:
    foundations, cells = packed(a_study(3), target=1.0)
    assert [len(element) for element in foundations.elements] == [1, 1]
    assert [len(element) for element in cells.elements] == [5, 5, 5]
    for element in cells.elements:
        assert element[0].kind == "checkpoint"
        assert [artifact.kind for artifact in element].index("record") > 1


def test_stages_that_ask_for_other_resources_are_jobs_of_their_own_in_later_waves() -> None:
    batches = packed(a_study(2), target=1.0, with_gpu=("checkpoint", "completions"))
    waves = [(batch.wave, batch.resources.gpus, len(batch.elements)) for batch in batches]
    assert waves == [(0, 0, 2), (1, 1, 2), (2, 0, 4)]


def test_one_engine_of_vllm_answers_for_all_checkpoints_of_a_job() -> None:
    _, cells = packed(a_study(3, engine="vllm"), target=150.0)
    [element] = cells.elements
    kinds = [artifact.kind for artifact in element]
    assert kinds == ["checkpoint"] * 3 + ["completions"] * 6 + ["record"] * 6


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
def test_a_pool_that_a_checkpoint_answers_comes_after_it_and_before_what_it_trains(engine: str) -> None:
    artifacts = a_study(2, engine)
    sampled = Artifact("completions", "samples", {"engine": engine}, {"weights": "checkpoint0"})
    pool = Artifact("pool", "right", {}, {"completions": "samples"})
    tuned = Artifact("checkpoint", "tuned", {}, {"base": "base", "pool": "right"})
    # Kinds in the order of their names would put the pool before all that leads to it.
    found = packed({"right": pool, "tuned": tuned, **artifacts, "samples": sampled}, target=1000.0)
    made: set[str] = set()
    for batch in found:
        for element in batch.elements:
            here: set[str] = set()
            for artifact in element:
                assert set(artifact.inputs.values()) <= made | here
                here.add(artifact.key)
        made |= {artifact.key for element in batch.elements for artifact in element}
    assert made == {*artifacts, "samples", "right", "tuned"}


def test_no_job_needs_the_engines_of_two_models() -> None:
    artifacts = a_study(4, engine="vllm")
    models = {key: "one" if "0" in key or "1" in key else "other" for key in artifacts}
    seconds = dict.fromkeys(artifacts, 1.0)
    batches = packing.jobs(SLURM, artifacts, lambda artifact: RESOURCES, seconds, models)
    elements = [element for batch in batches for element in batch.elements]
    answering = [element for element in elements if any(artifact.shares_engine for artifact in element)]
    assert [len({models[artifact.key] for artifact in element}) for element in answering] == [1, 1]
    assert [len(element) for element in answering] == [10, 10]


@given(
    n_cells=st.integers(0, 12),
    target=st.floats(1.0, 1000.0),
    engine=st.sampled_from(["transformers", "vllm"]),
    there=st.sets(st.integers(0, 40)),
    with_gpu=st.sets(st.sampled_from(["checkpoint", "completions", "record"])),
)
def test_everything_is_made_once_and_after_what_it_needs(
    n_cells: int, target: float, engine: str, there: set[int], with_gpu: set[Kind]
) -> None:
    artifacts = a_study(n_cells, engine)
    to_make = {key: artifacts[key] for number, key in enumerate(artifacts) if number not in there}
    batches = packed(to_make, target, tuple(with_gpu))
    made = [artifact.key for batch in batches for element in batch.elements for artifact in element]
    assert sorted(made) == sorted(to_make)
    earlier: set[str] = set()
    for wave in sorted({batch.wave for batch in batches}):
        now = [element for batch in batches if batch.wave == wave for element in batch.elements]
        for element in now:
            before: set[str] = set()
            for artifact in element:
                needed = {key for key in artifact.inputs.values() if key in to_make}
                assert needed <= earlier | before
                before.add(artifact.key)
        earlier |= {artifact.key for element in now for artifact in element}


@given(st.lists(st.floats(0.1, 100.0), min_size=1, max_size=60), st.floats(1.0, 200.0))
def test_jobs_are_about_as_long_as_wished_and_the_longest_comes_first(
    seconds: list[float], target: float
) -> None:
    artifacts = {f"k{i:02}": Artifact("pool", f"k{i:02}", {}, {}) for i in range(len(seconds))}
    cost = dict(zip(artifacts, seconds, strict=True))
    units = packing.units(artifacts, lambda artifact: RESOURCES, lambda artifact: cost[artifact.key])
    (batch,) = packing.batches(units, target)
    lengths = [sum(cost[artifact.key] for artifact in element) for element in batch.elements]
    longest = max(seconds)
    assert all(length <= max(target + longest / 2, longest) + 1e-6 for length in lengths)
    assert len(lengths) <= 2 * sum(seconds) / target + 1
    assert cost[batch.elements[0][0].key] == longest


def test_a_job_holds_no_more_work_than_its_time_limit_surely_does() -> None:
    short = RESOURCES.model_copy(update={"minutes": 1.0})
    artifacts = {f"k{i}": Artifact("pool", f"k{i}", {}, {}) for i in range(6)}
    units = packing.units(artifacts, lambda artifact: short, lambda artifact: 10.0)
    (batch,) = packing.batches(units, target_seconds=3600.0)
    assert [len(element) for element in batch.elements] == [3, 3]
