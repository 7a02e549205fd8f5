"""How Slurm's answers are read; the program that answers is the edge."""

import os
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import slurm, slurm_jobs
from orchestrator.refusal import Refused

QUEUE = """\
ARRAY_JOB_ID|ARRAY_TASK_ID|STATE|USER|PRIORITY|PARTITION|NODELIST|REASON|NAME
17|0|COMPLETED|root|4294901758|main|n1|None|doublings.a
18|3-5,9%2|PENDING|root|10|main||JobArrayTaskLimit|doublings.b
18|2|RUNNING|root|10|main|n2|None|doublings.b
21|N/A|PENDING|ann|99|high||Priority|a|b
"""
ENDED = """\
18_2|COMPLETED|n2|doublings.b
18_3|CANCELLED by 0|n1|doublings.b
18_[4-5]|PENDING|None assigned|doublings.b
18_6|NODE_FAIL|n1|a|b
"""


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Programs that print what they are told to, put before all others."""

    def answer(command: str, text: str, code: int = 0) -> None:
        program = tmp_path / command
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\necho {text[:60]!r} >&2\nexit {code}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return answer


def test_a_queue_has_elements_ranges_and_jobs(answers) -> None:  # type: ignore[no-untyped-def]
    answers("squeue", QUEUE)
    ended, waiting, running, theirs = slurm.queue()
    assert not ended.live
    assert list(slurm.names(waiting)) == ["18_3", "18_4", "18_5", "18_9"]
    assert running.nodes == "n2"
    assert (theirs.elements, theirs.user, theirs.name) == (None, "ann", "a|b")


def test_the_accounting_tells_only_of_what_has_ended(answers) -> None:  # type: ignore[no-untyped-def]
    answers("sacct", ENDED)
    ended = slurm.ended(["18"], datetime(2026, 11, 24))
    assert {name: end.state for name, end in ended.items()} == {
        "18_2": "COMPLETED",
        "18_3": "CANCELLED",
        "18_6": "NODE_FAIL",
    }
    assert ended["18_6"].name == "a|b"


@pytest.mark.parametrize("text", ["", "HTTP 500\n", QUEUE + "19|0|RUNN\n", QUEUE.partition("\n")[2]])
def test_half_an_answer_is_silence(answers, text: str) -> None:  # type: ignore[no-untyped-def]
    answers("squeue", text)
    with pytest.raises(slurm.SlurmSilent, match="cannot be read"):
        slurm.queue()


def test_an_empty_queue_is_empty(answers) -> None:  # type: ignore[no-untyped-def]
    answers("squeue", QUEUE.partition("\n")[0] + "\n")
    assert slurm.queue() == []


def test_garbage_tells_nothing(answers) -> None:  # type: ignore[no-untyped-def]
    answers("sacct", "\x00\xff|||\n|\n||||\nHTTP 500\n")
    assert slurm.ended(["18"], datetime(2026, 11, 24)) == {}


def test_a_command_that_hangs_is_silence(answers, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    answers("squeue", "")
    Path(os.environ["PATH"].split(os.pathsep)[0], "squeue").write_text("#!/bin/sh\nsleep 60; echo late\n")
    monkeypatch.setattr(slurm, "PATIENCE", 0.3)
    with pytest.raises(slurm.SlurmSilent, match="did not answer"):
        slurm.queue()


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("error: Batch job submission failed: Job violates accounting/QOS policy", slurm_jobs.SlurmFull),
        ("error: QOSMaxSubmitJobPerUserLimit", slurm_jobs.SlurmFull),
        ("Slurm temporarily unable to accept job, sleeping and retrying", slurm_jobs.SlurmFull),
        ("error: Unable to contact slurm controller (connect failure)", slurm.SlurmSilent),
        ("error: Socket timed out on send/recv operation", slurm.SlurmSilent),
        ("error: Protocol authentication error", slurm.SlurmSilent),
        ("error: QOSMaxWallDurationPerJobLimit: Job violates accounting/QOS policy", Refused),
        ("error: invalid partition specified: nosuch", Refused),
        ("error: Invalid account or account/partition combination specified", Refused),
    ],
)  # fmt: skip
def test_what_sbatch_says_is_never_wait_or_unheard(answers, tmp_path: Path, said: str, meaning) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "sbatch").write_text(f"#!/bin/sh\necho 'sbatch: {said}' >&2\nexit 1\n")
    (tmp_path / "sbatch").chmod(0o755)
    with pytest.raises(meaning):
        slurm_jobs.sbatch(tmp_path / "script.sh")


def test_nothing_of_a_surrounding_job_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_CPU_BIND", "SBATCH_PARTITION", "SRUN_DEBUG", "SLURM_CONF", "HOME"):
        monkeypatch.setenv(name, "here")
    kept = slurm.environment()
    assert {"SLURM_CONF", "HOME"} <= kept.keys()
    assert not {"SLURM_JOB_ID", "SLURM_CPU_BIND", "SBATCH_PARTITION", "SRUN_DEBUG"} & kept.keys()


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 5)), min_size=1), st.integers(1, 99))
def test_a_range_of_elements_is_read_as_it_is_written(spans: list[tuple[int, int]], cap: int) -> None:
    expression = ",".join(f"{first}-{first + more}" if more else str(first) for first, more in spans)
    numbers = [number for first, more in spans for number in range(first, first + more + 1)]
    assert slurm.elements_of(f"[{expression}%{cap}]") == tuple(numbers)
    assert slurm.elements_of(expression) == tuple(numbers)


@pytest.mark.parametrize("text", ["N/A", "", "a-b", "3-", "4294967294..."])
def test_what_is_no_range_is_none(text: str) -> None:
    assert slurm.elements_of(text) is None


@pytest.mark.parametrize(
    ("state", "log", "cause"),
    [
        ("TIMEOUT", "", "time limit"),
        ("FAILED", "slurmstepd: error: Exceeded job memory limit", "out of memory"),
        ("FAILED", "Traceback", "lost"),
        ("CANCELLED", "*** JOB 7 ON n1 CANCELLED AT 2026-11-24T18:00:00 DUE TO TIME LIMIT ***", "time limit"),
        ("CANCELLED", "*** JOB 7 ON n1 CANCELLED AT 2026-11-24T18:00:00 ***", "cancelled"),
        (None, "*** STEP 7.0 ON n1 CANCELLED AT 2026-11-24T18:00:00 DUE TO NODE FAILURE ***", "node failed"),
        (None, "", "lost"),
    ],
)
def test_a_job_that_ended_is_explained_by_its_state_and_its_last_words(
    state: str | None, log: str, cause: str
) -> None:
    assert slurm.cause_of(state, log) == cause
