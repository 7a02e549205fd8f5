from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.identity import Artifact, Kind, digest, key_of
from orchestrator.ledger import Ledger, State, wanted
from tests.tiny import CLUSTER


def a_chain(name: str) -> dict[str, Artifact]:
    """Pool and base, a checkpoint from both, its completions, their record."""
    artifacts: dict[str, Artifact] = {}

    def add(kind: Kind, **inputs: str) -> str:
        spec = {"name": name if kind != "base" else "shared"}
        key = key_of(kind, digest(spec), inputs)
        artifacts[key] = Artifact(kind, key, spec, inputs)
        return key

    checkpoint = add("checkpoint", base=add("base"), pool=add("pool"))
    add("record", completions=add("completions", weights=checkpoint))
    return artifacts


TWO_CHAINS = {**a_chain("a"), **a_chain("b")}


def by_kind(artifacts: dict[str, Artifact], kind: Kind) -> set[str]:
    return {key for key, artifact in artifacts.items() if artifact.kind == kind}


def test_with_nothing_on_disk_everything_is_wanted() -> None:
    assert wanted(TWO_CHAINS, set()) == TWO_CHAINS


def test_a_complete_record_wants_nothing_even_if_its_checkpoint_is_gone() -> None:
    assert wanted(TWO_CHAINS, by_kind(TWO_CHAINS, "record")) == {}


@given(st.sets(st.sampled_from(sorted(TWO_CHAINS))))
def test_what_is_wanted_is_missing_and_its_inputs_are_wanted_or_complete(complete: set[str]) -> None:
    needed = wanted(TWO_CHAINS, complete)
    assert not complete & set(needed)
    for artifact in needed.values():
        assert all(key in needed or key in complete for key in artifact.inputs.values())
    assert by_kind(TWO_CHAINS, "record") - complete <= set(needed)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(done=st.sets(st.sampled_from(sorted(TWO_CHAINS))), broken=st.sampled_from(sorted(TWO_CHAINS)))
def test_states_follow_from_the_files(tmp_path_factory: object, done: set[str], broken: str) -> None:
    outputs = tmp_path_factory.mktemp("outputs")  # type: ignore[attr-defined]
    ledger = Ledger.at(Path(outputs))
    for key in done:
        artifact = TWO_CHAINS[key]
        assert ledger.store.publish(artifact, ledger.store.start(artifact), {}, {})
    if broken not in done:
        ledger.failures.record(broken, {"run": "r", "cause": "unknown"})
    states = ledger.states(TWO_CHAINS)
    assert {key for key, state in states.items() if state == State.COMPLETE} == done
    for key, artifact in TWO_CHAINS.items():
        if key in done:
            continue
        inputs = {states[made_from] for made_from in artifact.inputs.values()}
        if key == broken:
            assert states[key] == State.FAILED
        elif inputs & {State.FAILED, State.BLOCKED}:
            assert states[key] == State.BLOCKED
        else:
            assert states[key] == (State.READY if inputs <= {State.COMPLETE} else State.WAITING)


def test_a_failure_counts_its_attempts_until_it_is_forgotten(tmp_path: Path) -> None:
    ledger = Ledger.at(tmp_path)
    attempt = {"run": "r", "cause": "killed", "node": None, "job": None}
    ledger.blame("k", attempt, CLUSTER)
    assert ledger.failures.of("k") is None, "killed once may be an accident"
    ledger.blame("k", attempt, CLUSTER)
    failure = ledger.failures.of("k")
    assert failure is not None
    assert failure["attempts"] == 2
    ledger.forget("k")
    assert ledger.attempts.of("k") == []
    assert ledger.failures.of("k") is None
