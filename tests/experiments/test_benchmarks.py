"""The benchmarks that ship: each YAML reads the file as its authors published it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.sources import inspect, read
from orchestrator.cell import Benchmark
from orchestrator.specs import TableSource

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


def declared(name: str, path: Path) -> Benchmark:
    """What the YAML says, with its source in a file."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "conf" / "evaluate" / f"{name}.yaml").read_text())
    return Benchmark.model_validate({**content, "source": {**content["source"], "path": str(path)}})


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the files of the benchmarks")
@pytest.mark.parametrize(
    ("name", "n_items", "n_clusters", "begins", "reference"),
    [
        ("math", 5000, 5000, "How many vertical asymptotes", "\\boxed{2}"),
        ("svamp", 1000, 1000, "There are 87 oranges and 290 bananas in Philip's collection.", "145.0"),
        # 121 answers are no numbers, two are ordinals, and one problem stands there twice.
        (
            "asdiv",
            2091,
            2091,
            "Seven red apples and two green apples are in the basket. How many",
            "9 (apples)",
        ),
        ("gsm_hard", 1319, 1319, "Janet\u2019s ducks lay 16 eggs per day.", "-9867630.0"),
    ],
)
def test_a_benchmark_is_read_as_it_was_published(
    name: str, n_items: int, n_clusters: int, begins: str, reference: str
) -> None:
    benchmark = declared(name, DATA / name / "test.jsonl")
    assert isinstance(benchmark.source, TableSource)
    assert inspect(benchmark.source.model_dump(), benchmark.answer)["n_rows"] == n_items
    problems = read(benchmark.source)
    assert len(set(problems.source_ids)) == n_clusters
    assert problems.queries[0].startswith(begins)
    assert reference in problems.responses[0]


def test_variations_of_one_problem_are_a_cluster(tmp_path: Path) -> None:
    rows = [
        {"question": "How many now?", "answer": "5", "seed_question": "How many?"},
        {"question": "How many then?", "answer": "$1,080", "seed_question": "How many?"},
        {"question": "How many at all?", "answer": "None", "seed_question": "How many?"},
        {"question": "How much?", "answer": "0.5", "seed_question": "How much is it?"},
    ]
    path = tmp_path / "gsm_plus.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = declared("gsm_plus", path)
    assert isinstance(benchmark.source, TableSource)
    problems = read(benchmark.source)
    assert [problems.responses[index] for index in range(3)] == ["5", "$1,080", "0.5"]
    assert list(problems.source_ids) == ["How many?", "How many?", "How much is it?"]
