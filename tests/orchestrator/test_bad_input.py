"""Wrong input: one sentence that says what, where and what to do; exit code 2; nothing written."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.tiny import doublings, run_to_its_end

# Each starts the whole program.
pytestmark = pytest.mark.slow

GOOD = ("strategy=queries", "strategy.rows=32", "amount=4,8", "seed=0,1")
TABLE = (
    "data=gsm8k",
    "model=gsm8k_llama",
    "train=gsm8k",
    "strategy=seed",
    "evaluate=[gsm8k]",
    "amount=2",
    "study=table",
)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("strategy=complexety", "complexety"),
        ("train.learning_rat=1", "learning_rat"),
        ("train.batch_size=none", "batch_size"),
        ("amount=-4,8", "amount=-4"),
        ("amount=1.5", "amount=1.5"),
        ("amount=4,64", "it has 32 examples"),
        ("amount=4,4", "amount"),
        ("amount=[]", "amount"),
        ("study=../up", "study"),
    ],
)
def test_a_wrong_override_is_refused_before_anything_is_written(
    tmp_path: Path, override: str, sentence: str
) -> None:
    name = override.partition("=")[0]
    overrides = [good for good in GOOD if not good.startswith(f"{name}=")]
    ran = doublings(tmp_path, "run", *overrides, override)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert sentence in ran.stderr
    assert ran.stderr.startswith("doublings: ")
    assert len(ran.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def a_table(folder: Path, split: str, rows: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{split}.jsonl").write_text("\n".join(rows) + "\n")


def problem(number: int, answer: str = "#### 3") -> str:
    return json.dumps({"question": f"How much is {number} and 1?", "answer": f"It is so. {answer}"})


@pytest.mark.parametrize(
    ("train", "test", "sentence"),
    [
        ([problem(1), "{broken"], [problem(7)], "line 2"),
        ([problem(1), '{"question": "what?"}'], [problem(7)], "answer"),
        ([problem(1), problem(2)], [problem(7), problem(8, "no idea")], "2"),
        ([problem(7), problem(8)], [problem(7), problem(8)], "nothing but 2 items of"),
    ],
    ids=["malformed", "missing column", "no numeric reference", "all rows are test items"],
)
def test_wrong_data_is_refused_before_anything_is_written(
    tmp_path: Path, train: list[str], test: list[str], sentence: str
) -> None:
    a_table(tmp_path / "data", "train", train)
    a_table(tmp_path / "data", "test", test)
    places = (f"data.path={tmp_path / 'data'}", f"outputs={tmp_path / 'outputs'}")
    ran = run_to_its_end([sys.executable, "-m", "orchestrator", "run", *TABLE, *places], tmp_path)
    assert ran.returncode == 2, ran
    assert sentence in ran.stderr
    assert not (tmp_path / "outputs").exists()


def test_an_outputs_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("here first")
    ran = doublings(tmp_path, "run", *GOOD)
    assert ran.returncode == 2
    assert "is a file" in ran.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_outputs_folder_that_is_not_writable_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("locked").mkdir(mode=0o500)
    ran = doublings(tmp_path, "run", *GOOD, f"outputs={tmp_path / 'locked'}")
    assert ran.returncode == 2
    assert "not writable" in ran.stderr
