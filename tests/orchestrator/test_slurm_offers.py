from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import slurm_offers
from orchestrator.slurm_offers import gres_counts, minutes
from tests.orchestrator.recorded_slurm import answers

NAMES = {"15": "doublings.1124185808-", "16": "doublings.", "229": "doublings.1124190537-7dde57"}
SINCE = datetime(2026, 11, 24)


def test_nodes_tell_their_processors_memory_and_gpus(monkeypatch):
    answers(monkeypatch)
    found = slurm_offers.nodes()
    assert [node.name for node in found] == ["n1", "n2"]
    assert found[0].has == {"CPUs": 4, "GiB": 12052 / 1024, "gpu": 2}
    assert "main" in found[0].partitions
    assert all(node.usable for node in found)


def test_a_drained_node_takes_no_jobs_whatever_its_reason_says(monkeypatch):
    answers(
        monkeypatch, **{"State=MIXED": "State=IDLE+DRAIN Reason=State=IDLE", "State=IDLE ": "State=DOWN* "}
    )
    assert not any(node.usable for node in slurm_offers.nodes())


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("gpu:2", {"gpu": 2}),
        ("gpu:a100:4(S:0-1),mps:400", {"gpu": 4, "gpu:a100": 4, "mps": 400}),
        ("gpu:3090:1,gpu:a100:2(IDX:0,1)", {"gpu": 3, "gpu:3090": 1, "gpu:a100": 2}),
        ("gres/gpu", {"gpu": 1}),
        ("(null)", {}),
        ("", {}),
    ],
)
def test_gres_are_counted_by_name_and_by_type(text, counts):
    assert gres_counts(text) == counts


@given(st.integers(0, 30), st.integers(0, 23), st.integers(0, 59))
def test_times_are_read_as_slurm_writes_them(days, hours, of_hour):
    text = f"{days}-{hours:02}:{of_hour:02}:00" if days else f"{hours:02}:{of_hour:02}:00"
    assert minutes(text) == days * 1440 + hours * 60 + of_hour


@pytest.mark.parametrize("text", ["UNLIMITED", "infinite", "NONE"])
def test_no_limit_is_none_and_not_zero(text):
    assert minutes(text) is None


def test_a_job_used_what_its_largest_step_used(monkeypatch):
    answers(monkeypatch)
    rows = {line.split("|")[0]: line.split("|") for line in slurm_offers.slurm.ask(["sacct"]).splitlines()}
    used = slurm_offers.used({"16": rows["16_0"][8]}, SINCE)["16_0"]
    assert used.elapsed == 161
    assert used.limit == 3600
    assert used.cpu_seconds == pytest.approx(56.799)
    assert used.peak_bytes == 458511 * 1024
    assert used.waited == 0
    assert used.gpu_percent is None


def test_waiting_ends_when_a_job_starts(monkeypatch):
    answers(monkeypatch)
    assert slurm_offers.used({"229": NAMES["229"]}, SINCE)["229_2"].waited == 28


def test_what_has_not_begun_has_used_nothing(monkeypatch):
    answers(monkeypatch)
    assert slurm_offers.used({"7": "doublings-doctor"}, SINCE) == {}


def test_another_job_of_the_same_number_is_not_ours(monkeypatch):
    answers(monkeypatch)
    assert slurm_offers.used({"16": "doublings.of-another-time"}, SINCE) == {}


def test_the_busiest_gpu_is_told_where_the_site_gathers_it(monkeypatch):
    answers(monkeypatch, **{"cpu=00:00:56,": "cpu=00:00:56,gres/gpuutil=87,gres/gpumem=21G,"})
    name = next(line for line in slurm_offers.slurm.ask(["sacct"]).splitlines() if line.startswith("16_0|"))
    assert slurm_offers.used({"16": name.split("|")[8]}, SINCE)["16_0"].gpu_percent == 87


def test_accounts_without_a_limit_have_none(monkeypatch):
    answers(monkeypatch)
    [association] = slurm_offers.associations()
    assert association.account == "root"
    assert association.most_queued is None


def test_the_lesser_of_two_submit_limits_counts(monkeypatch):
    answers(monkeypatch, **{"root||||": "lab|||500|200"})
    [association] = slurm_offers.associations()
    assert association.most_queued == 200
