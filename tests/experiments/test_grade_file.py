"""The verb `grade`: the same lines in the same order, or nothing at all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

LINES = [
    {"completion": "so #### 18", "reference": "#### 18", "id": 1, "note": "caf\u00e9 \ud800"},
    {"completion": "The answer is 7.5", "reference": 8},
    {"completion": "no idea", "reference": "-3", "answer": "replaced", "finish_reason": None},
    {"completion": "and then", "reference": "9 (apples)", "finish_reason": "length"},
]
EXPECTED = [
    ("18", True, "correct"),
    ("7.5", False, "wrong"),
    (None, False, "no answer"),
    (None, False, "truncated"),
]


def graded(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments", "grade", str(path), "--benchmark", "gsm8k", *options]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, LINES)))
    return path


def test_with_json_the_same_lines_come_back_with_their_grades(file: Path) -> None:
    ran = graded(file, "--json")
    assert ran.returncode == 0
    added = [dict(zip(("answer", "correct", "reason"), grade, strict=True)) for grade in EXPECTED]
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [
        {**line, **grade} for line, grade in zip(LINES, added, strict=True)
    ]
    assert "1 of 4 correct" in ran.stderr


def test_without_json_there_is_a_summary(file: Path) -> None:
    ran = graded(file)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "1 of 4 correct" in ran.stdout
    assert "truncated" in ran.stdout


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "line 5 of"),
        ('{"completion": "1"}', "line 5 of {path} has no column 'reference'"),
        ('{"completion": 1.5, "reference": "x"}', "line 5 of {path} has no numeric reference"),
        ('{"completion": null, "reference": "1"}', "line 5 of {path} has nothing in column 'completion'"),
    ],
)
def test_a_malformed_line_ends_it_before_any_output(file: Path, line: str, sentence: str) -> None:
    file.write_text("\n".join([*map(json.dumps, LINES), line]))
    ran = graded(file, "--json")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert sentence.format(path=file) in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    ran = graded(tmp_path / "empty.jsonl")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "holds no lines" in ran.stderr
