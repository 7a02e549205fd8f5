"""Reading problems: the same content has the same digest, and what is wrong is named with its line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments import tables
from experiments.sources import inspect, read, read_hashed
from orchestrator.refusal import Refused
from orchestrator.specs import SymbolicSource, TableSource, World

GSM8K = Path(__file__).parents[2].parent / "shared" / "data" / "gsm8k"
ROWS = [
    {"question": "How many?\u2028 \u00e9", "answer": "so\n#### 5", "id": "a"},
    {"question": "And how many now?", "answer": "#### 1,080", "id": "b"},
    {"question": "How many are left?", "answer": "none, #### 0", "id": "a"},
]
WORLD = World(seed=0, n_units=40, n_everyday_units=8, zipf_alpha=1.0, zipf_offset=6.0)


def jsonl(path: Path, rows: Sequence[dict[str, Any]] = ROWS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def table(path: Path, **more: Any) -> dict[str, Any]:
    source = {"kind": "table", "path": str(path), "split": "train", "query": "question", "response": "answer"}
    return TableSource(**{**source, **more}).model_dump(mode="json")


def hub_folder(folder: Path) -> Path:
    """What the hub holds of a data set like GSM8K."""
    for config, rows in (("main", ROWS), ("socratic", ROWS[:2])):
        for split in ("train", "test"):
            file = folder / config / f"{split}-00000-of-00001.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows if split == "train" else rows[1:]), file)
    configs = [
        f"- config_name: {config}\n  data_files:\n"
        + "".join(f"  - split: {split}\n    path: {config}/{split}-*\n" for split in ("train", "test"))
        for config in ("main", "socratic")
    ]
    (folder / "README.md").write_text(f"---\nconfigs:\n{''.join(configs)}---\n# Problems\n")
    return folder


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and a cache of its own."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.usefixtures("offline")
def test_the_digest_is_that_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet", row_group_size=2)
    (tmp_path / "rows.json").write_text(json.dumps(ROWS, indent=1))
    extra = [{"more": [1], **row} for row in ROWS]
    places = [
        table(jsonl(tmp_path / "rows.jsonl")),
        table(jsonl(tmp_path / "folder" / "train.jsonl", extra).parent),
        table(tmp_path / "rows.parquet"),
        table(tmp_path / "rows.json"),
        table(hub_folder(tmp_path / "hub"), config="main"),
    ]
    found = [inspect(place, "gsm8k") for place in places]
    assert found == [{"digest": found[0]["digest"], "n_rows": 3}] * len(places)
    other = [
        inspect(table(jsonl(tmp_path / "turned.jsonl", ROWS[::-1])), None),
        inspect(table(tmp_path / "rows.jsonl", source="id"), None),
        inspect(table(tmp_path / "hub", config="socratic"), None),
    ]
    assert len({one["digest"] for one in [*found, *other]}) == 4


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("stretch", [1, 2])
def test_a_table_is_the_same_however_little_of_it_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    files = [jsonl(tmp_path / "rows.jsonl"), tmp_path / "rows.parquet", tmp_path / "rows.json"]
    places = [*map(table, files), table(hub_folder(tmp_path / "hub"), config="main")]
    expected = [read(TableSource.model_validate(place)) for place in places]
    monkeypatch.setattr(tables, "ROWS", stretch)
    for place, whole in zip(places, expected, strict=True):
        assert read(TableSource.model_validate(place)) == whole
    with pytest.raises(Refused, match=r"row 3 of .* has nothing in column 'answer'"):
        broken = pa.Table.from_pylist([*ROWS[:2], {"question": "q", "answer": None}])
        pq.write_table(broken, tmp_path / "rows.parquet")
        inspect(places[1], None)


@pytest.mark.usefixtures("offline")
def test_a_folder_of_the_hub_needs_no_card(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    pq.write_table(pa.Table.from_pylist(ROWS), data / "test-00000-of-00001.parquet")
    assert inspect(table(tmp_path, split="test"), None)["n_rows"] == 3
    with pytest.raises(Refused, match=r"split other.* cannot be loaded: .*test"):
        inspect(table(tmp_path, split="other"), None)


def test_rows_know_their_source_and_their_place(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\ufeff\n" + "\n\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    named = read(TableSource.model_validate(table(path, source="id")))
    assert list(named.source_ids) == ["a", "b", "a"]
    assert [named.place(index) for index in range(3)] == [f"line {n} of {path}" for n in (2, 4, 6)]
    unnamed = read(TableSource.model_validate(table(path)))
    assert len(set(unnamed.source_ids)) == 3
    assert unnamed.row_ids == named.row_ids


def test_numbers_are_taken_as_text(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", [{"question": "How many?", "answer": 145.0}])
    pq.write_table(pa.table({"question": ["How many?"], "answer": [145.0]}), tmp_path / "rows.parquet")
    assert read(TableSource.model_validate(table(path))).responses == ["145.0"]
    assert inspect(table(path), "gsm8k") == inspect(table(tmp_path / "rows.parquet"), "gsm8k")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"holds no rows"),
        (b'{"question": "q", "answer": "1"}\n{"question": \n', r"line 2 of .*rows\.jsonl is not JSON"),
        (b'{"question": "q", "answer": "1"}\n\n["q"]\n', r"line 3 of .* is list, not an object"),
        (b'{"question": "q\xff", "answer": "1"}\n', r"line 1 of .* is not JSON in UTF-8"),
        (
            b'{"query": "q", "answer": "1"}\n',
            r"line 1 of .* no column 'question'; there is 'query'",
        ),
        (b'{"question": null, "answer": "1"}\n', r"line 1 of .* has nothing in column 'question'"),
        (b'{"question": true, "answer": "1"}\n', r"line 1 of .* has bool in column 'question'"),
        (b'{"question": "\\ud800", "answer": "1"}\n', r"line 1 of .* half a character"),
        (b"[" * 100_000, r"line 1 of .* is not JSON"),
        (b'{"question": "q", "answer": ' + b"1" * 5000 + b"}\n", r"line 1 of .* is not JSON"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(Refused, match=sentence):
        inspect(table(path), None)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [ROWS[0], {"question": "q", "answer": "I do not know"}],
            r"line 2 of .* no numeric reference: 'I",
        ),
        ([ROWS[0], ROWS[1], ROWS[0]], r"line 3 of .* repeats the item of line 1 of"),
    ],
)
def test_a_benchmark_needs_references_and_distinct_items(
    tmp_path: Path, rows: list[dict[str, Any]], sentence: str
) -> None:
    source = table(jsonl(tmp_path / "rows.jsonl", rows))
    assert inspect(source, None)["n_rows"] == len(rows)
    with pytest.raises(Refused, match=sentence):
        inspect(source, "gsm8k")


@pytest.mark.usefixtures("offline")
def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    (tmp_path / "rows.csv").write_text("question,answer\n")
    (tmp_path / "empty").mkdir()
    pq.write_table(pa.table({"q": ["a"]}), tmp_path / "other.parquet")
    for name, sentence in {
        "absent.jsonl": r"absent\.jsonl does not exist; give the path",
        "broken.parquet": r"broken\.parquet cannot be read as Parquet",
        "rows.csv": r"rows\.csv ends in none of \.jsonl, \.parquet, \.json",
        "empty": r"empty \(split train\) cannot be loaded",
        "other.parquet": r"other\.parquet has no column 'question'; there is 'q'",
    }.items():
        with pytest.raises(Refused, match=sentence):
            inspect(table(tmp_path / name), None)
    with pytest.raises(Refused, match="needs a path or a repo"):
        inspect({**table(tmp_path), "path": None}, None)


def test_a_table_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    source = table(jsonl(tmp_path / "rows.jsonl"))
    digest = inspect(source, None)["digest"]
    columns = {name: source[name] for name in ("query", "response", "source")}
    hashed = {"kind": "table", "digest": digest, **columns}
    assert len(read_hashed(hashed, {digest: source})) == 3
    jsonl(tmp_path / "rows.jsonl", ROWS[:1])
    with pytest.raises(Refused, match="has changed since the study was planned"):
        read_hashed(hashed, {digest: source})


def test_a_symbolic_source_has_the_digest_of_its_spec() -> None:
    sources = [
        SymbolicSource(kind="symbolic", world=WORLD, part=part, n_items=n)
        for part, n in (("test", 10), ("test", 11), ("ood", 10))
    ]
    found = [inspect(source.model_dump(mode="json"), "gsm8k") for source in sources]
    assert [one["n_rows"] for one in found] == [10, 11, 10]
    assert len({one["digest"] for one in found}) == 3


@pytest.mark.skipif(not GSM8K.is_dir(), reason="needs the GSM8K files")
def test_gsm8k_is_a_benchmark() -> None:
    assert inspect(table(GSM8K, split="test"), "gsm8k")["n_rows"] == 1319
    assert inspect(table(GSM8K), "gsm8k")["n_rows"] == 7473
