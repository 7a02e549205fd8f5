"""Rows out of a pool's file are those that the whole table would give."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.poolfile import SCHEMA
from experiments.poolrows import PoolRows
from experiments.subset import TEXTS, select

N_ROWS = 50
TABLE = pa.Table.from_pylist(
    [
        {
            "row_id": f"{row:032x}",
            "source_id": f"source {row % 7}",
            "strategy": "s",
            "operation": "o",
            "path": row,
            "query": f"query {row // 3}",
            "response": f"response {row}",
            "generator": "g",
        }
        for row in range(N_ROWS)
    ],
    SCHEMA,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pool") / "pool.parquet"
    pq.write_table(TABLE, path, row_group_size=8)
    return path


@pytest.mark.slow
@settings(deadline=None)
@given(places=st.lists(st.integers(0, N_ROWS - 1), max_size=2 * N_ROWS))
def test_rows_are_taken_in_any_order_and_as_often_as_asked(path: Path, places: list[int]) -> None:
    indices = pa.array(places, pa.int64())
    assert PoolRows(path).take(indices).equals(TABLE.take(indices))
    some = ["response", "row_id"]
    assert PoolRows(path).select(some).take(indices).equals(TABLE.select(some).take(indices))


@pytest.mark.parametrize("unit", ["examples", "queries"])
def test_a_subset_is_the_same_from_the_file_and_from_memory(path: Path, unit: str) -> None:
    for n in (1, 5, 17):
        subset = {"n": n, "unit": unit, "order": "breadth", "seed": 3}
        assert select(PoolRows(path), PoolRows(path), subset).equals(select(TABLE, TABLE, subset))


def test_a_group_without_any_of_the_rows_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = pq.ParquetFile.read_row_group

    def counted(file: pq.ParquetFile, group: int, *more: object, **options: object) -> pa.Table:
        read.append(group)
        return original(file, group, *more, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    PoolRows(path).select(TEXTS).take(pa.array([3, 20, 5]))
    assert sorted(read) == [0, 2]
