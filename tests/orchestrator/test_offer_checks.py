"""What a study asks for, judged against what the recorded cluster offers."""

import pytest

from orchestrator import offer_checks
from orchestrator.findings import Finding, worst
from orchestrator.offer_checks import Shape
from orchestrator.settings import ResourceChanges
from orchestrator.slurm_offers import Association
from tests.orchestrator.recorded_slurm import offer
from tests.tiny import RESOURCES, SLURM


def judged(monkeypatch: pytest.MonkeyPatch, **wishes: object) -> list[Finding]:
    shape = Shape(("checkpoint",), RESOURCES.model_copy(update=wishes))
    return offer_checks.shape(shape, SLURM, offer(monkeypatch))


def only(findings: list[Finding], verdict: str) -> Finding:
    [finding] = [finding for finding in findings if finding.verdict == verdict]
    return finding


def test_what_every_node_has_is_green(monkeypatch):
    findings = judged(monkeypatch)
    assert worst(findings) == "ok"
    assert "2 of 2 nodes of main" in findings[-1].finding


def test_a_partition_that_is_not_there_is_red_and_the_others_are_named(monkeypatch):
    finding = only(judged(monkeypatch, partition="gpu"), "bad")
    assert "no partition gpu" in finding.finding
    assert "cluster.resources.partition" in finding.remedy
    assert "main, high, low, short" in finding.remedy


def test_no_default_partition_is_red_where_none_is_asked_for(monkeypatch):
    nowhere = offer(monkeypatch, **{"Default=YES": "Default=NO"})
    finding = only(offer_checks.shape(Shape(("pool",), RESOURCES), SLURM, nowhere), "bad")
    assert "no default" in finding.finding


def test_a_partition_that_is_down_is_red(monkeypatch):
    down = offer(monkeypatch, **{"State=UP": "State=DOWN"})
    finding = only(offer_checks.shape(Shape(("pool",), RESOURCES), SLURM, down), "bad")
    assert "main is DOWN" in finding.finding


def test_time_above_the_limit_of_the_partition_is_red(monkeypatch):
    finding = only(judged(monkeypatch, partition="short"), "bad")
    assert "60 min" in finding.finding and "allows 5" in finding.finding
    assert "cluster.resources.minutes=5" in finding.remedy


def test_of_several_partitions_one_that_allows_the_time_is_enough(monkeypatch):
    assert worst(judged(monkeypatch, partition="short,main")) == "ok"


@pytest.mark.parametrize(
    ("wish", "amount", "most", "key"),
    [
        ("gpus", 8, "at most 2", "cluster.resources.gpus"),
        ("gres", "gpu:a100:1", "at most 0", "cluster.resources.gres"),
        ("cpus", 16, "at most 4", "cluster.resources.cpus"),
        ("memory_gib", 64.0, "at most 11.77", "cluster.resources.memory_gib"),
    ],
)
def test_more_than_any_node_has_is_red_and_names_the_key(monkeypatch, wish, amount, most, key):
    finding = only(judged(monkeypatch, **{wish: amount}), "bad")
    assert most in finding.finding
    assert key in finding.remedy


def test_more_nodes_than_there_are_is_red(monkeypatch):
    assert "3 are asked for" in only(judged(monkeypatch, nodes=3), "bad").finding


def test_a_feature_that_no_node_has_is_red(monkeypatch):
    assert "a100" in only(judged(monkeypatch, constraint="a100"), "bad").finding


def test_nodes_that_are_away_for_now_are_yellow_and_named(monkeypatch):
    away = offer(monkeypatch, **{"State=MIXED": "State=DRAIN", "State=IDLE ": "State=DOWN "})
    finding = only(offer_checks.shape(Shape(("pool",), RESOURCES), SLURM, away), "warn")
    assert "n1 is" in finding.finding and "n2 is" in finding.finding


def test_the_key_of_a_stage_is_named_where_the_stage_has_its_own(monkeypatch):
    cluster = SLURM.model_copy(update={"stages": {"checkpoint": ResourceChanges(gpus=8)}})
    shape = Shape(("checkpoint",), RESOURCES.model_copy(update={"gpus": 8}))
    finding = only(offer_checks.shape(shape, cluster, offer(monkeypatch)), "bad")
    assert "cluster.stages.checkpoint.gpus" in finding.remedy


def test_without_sacct_a_study_runs_and_without_sbatch_it_does_not():
    there: dict[str, str | None] = dict.fromkeys(("sbatch", "squeue", "sacct"), "/usr/bin/x")
    assert offer_checks.commands(there).verdict == "ok"
    assert offer_checks.commands({**there, "sacct": None}).verdict == "warn"
    assert offer_checks.commands({**there, "sbatch": None}).verdict == "bad"


def test_without_accounting_it_is_said_what_is_lost(monkeypatch):
    finding = offer_checks.accounting({}, "sacct: Slurm accounting storage is disabled")
    assert finding.verdict == "warn"
    assert "disabled" in finding.finding and "nothing essential" in finding.remedy


def test_a_cluster_without_arrays_is_red(monkeypatch):
    without = offer(monkeypatch, **{"MaxArraySize            = 1001": "MaxArraySize = 1"})
    assert offer_checks.arrays(SLURM, without, 10).verdict == "bad"
    assert offer_checks.arrays(SLURM, offer(monkeypatch), 10).verdict == "ok"


def test_a_submit_limit_below_the_study_is_yellow_with_the_key_that_heeds_it():
    limit = [Association("lab", 100)]
    assert offer_checks.submit_limits(SLURM, limit, {}, 99).verdict == "ok"
    finding = offer_checks.submit_limits(SLURM, limit, {}, 100)
    assert finding.verdict == "warn"
    assert "cluster.max_queued=100" in finding.remedy


def test_an_account_that_is_not_ours_is_red_only_where_the_site_enforces_accounts():
    cluster = SLURM.model_copy(update={"resources": RESOURCES.model_copy(update={"account": "theirs"})})
    known = [Association("lab", None)]
    enforced = {"AccountingStorageEnforce": "associations,limits"}
    assert offer_checks.submit_limits(cluster, known, enforced, 1).verdict == "bad"
    assert offer_checks.submit_limits(cluster, known, {"AccountingStorageEnforce": "none"}, 1).verdict == "ok"
