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


def graded(path: Path, *options: str, benchmark: str = "gsm8k") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments", "grade", str(path), "--benchmark", benchmark, *options]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, LINES)))
    return path


@pytest.mark.slow
def test_with_json_the_same_lines_come_back_with_their_grades(file: Path) -> None:
    ran = graded(file, "--json")
    assert ran.returncode == 0
    added = [dict(zip(("answer", "correct", "reason"), grade, strict=True)) for grade in EXPECTED]
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [
        {**line, **grade} for line, grade in zip(LINES, added, strict=True)
    ]
    assert "1 of 4 correct" in ran.stderr


@pytest.mark.slow
def test_without_json_there_is_a_summary(file: Path) -> None:
    ran = graded(file)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "1 of 4 correct" in ran.stdout
    assert "truncated" in ran.stdout


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    ran = graded(tmp_path / "empty.jsonl")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "holds no lines" in ran.stderr


MATH_LINES = [
    {"completion": "so \\boxed{0.5}", "reference": "It is $\\boxed{\\frac{1}{2}}$.", "id": "half"},
    {"completion": "so \\boxed{\\dfrac12}", "reference": "\\frac{1}{2}", "id": "half"},
    {"completion": "so \\boxed{(x+1)^2}", "reference": "$x^2+2x+1$", "id": "square"},
    {"completion": "so \\boxed{9^{9^{9^{9}}}}", "reference": "$x^2+2x+1$", "id": "square"},
]
MATH_EXPECTED = [
    ("0.5", True, "correct"),
    ("\\dfrac12", True, "correct"),
    ("(x+1)^2", True, "correct"),
    ("9^{9^{9^{9}}}", False, "grader timed out"),
]


@pytest.mark.slow
@pytest.mark.parametrize("benchmark", ["math", "math500"])
def test_latex_is_graded_by_its_meaning(tmp_path: Path, benchmark: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, MATH_LINES)))
    ran = graded(path, "--json", "--item", "id", benchmark=benchmark)
    added = [dict(zip(("answer", "correct", "reason"), grade, strict=True)) for grade in MATH_EXPECTED]
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [
        {**line, **grade} for line, grade in zip(MATH_LINES, added, strict=True)
    ]
    assert "2 items with 2 samples each" in ran.stderr
    told = dict(line.split() for line in ran.stderr.splitlines() if line.endswith("%") and line[0] in "pmc")
    assert told == {"pass@1": "75.0%", "pass@2": "100.0%", "maj@2": "75.0%", "consistency": "75.0%"}
    assert "0 to the letter; that and the grader agree on 25.0%" in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "benchmark", "sentence"),
    [
        ((), "gsm9k", "unknown benchmark 'gsm9k': did you mean gsm8k?"),
        (("--item", "name"), "gsm8k", "has no 'name'"),
        (("--item", "kind"), "gsm8k", 'different numbers of samples (1 of "b" and 3 of "a")'),
    ],
)
def test_what_cannot_be_asked_is_refused(
    tmp_path: Path, options: tuple[str, ...], benchmark: str, sentence: str
) -> None:
    path = tmp_path / "answers.jsonl"
    kinds = ("a", "b", "a", "a")
    path.write_text(
        "\n".join(json.dumps({**line, "kind": kind}) for line, kind in zip(LINES, kinds, strict=True))
    )
    ran = graded(path, *options, benchmark=benchmark)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert sentence in ran.stderr


@pytest.mark.slow
def test_numbers_are_graded_without_loading_any_algebra() -> None:
    code = "import sys, experiments.record, experiments.grade_file; print([*sys.modules])"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"'sympy'", "'math_verify'", "'torch'"} & set(modules.strip("[]\n").split(", "))
