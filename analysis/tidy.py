"""Any tidy table as groups of runs, refused with the row and the value where it cannot be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.fitting import Runs
from analysis.laws import Floats
from analysis.metric import POINTS_PER_FRACTION
from orchestrator.refusal import Refused

PERCENT = 100.0
# The least amount that is read: one with a logarithm.
ABOVE_ZERO = float(np.nextafter(0, 1))


@dataclass(frozen=True)
class Columns:
    """Which column of a table means what. `items` is a column or a number written out."""

    amount: str
    value: str
    by: tuple[str, ...]
    seed: tuple[str, ...]
    items: str | None


@dataclass(frozen=True)
class Group:
    """The runs that share the values of the `by` columns, and notes on their rows."""

    key: dict[str, Any]
    runs: Runs
    notes: tuple[str, ...]
    seeds: NDArray[np.intp] | None = None  # the seed of each run, numbered over the whole table


def read_table(path: Path) -> pd.DataFrame:
    """A CSV, TSV or Parquet file. Raises Refused where it is none, is unreadable or has no rows."""
    if not path.is_file():
        raise Refused(f"no file {path}: give a CSV, TSV or Parquet table")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _read_text(path)
    except pd.errors.EmptyDataError:
        raise Refused(f"{path} is empty: give a table with a header line and one row per run") from None
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise Refused(f"{path} cannot be read as a table ({' '.join(str(error).split())})") from error
    if table.empty:
        raise Refused(f"{path} has a header but no rows: give one row per run")
    return table.rename(columns=str)


def accuracy_groups(
    table: pd.DataFrame, columns: Columns, scale: float, least: float = ABOVE_ZERO
) -> list[Group]:
    """The groups in the order of their first rows, accuracies in points.

    `scale` is the value of a perfect accuracy, 1 for fractions and 100 for percent; amounts below `least` are
    refused. Raises Refused, naming column, row and value, for whatever a fit could not use: rows are counted
    from 1 below the header.
    """
    _check_columns(table, columns)
    values = _numbers(table, columns.value)
    _check_values(values, columns.value, scale)
    return [
        replace(group, notes=(*group.notes, *_scale_notes(group.runs.values, scale)))
        for group in _groups(table, columns, values * (POINTS_PER_FRACTION / scale), least)
    ]


def loss_groups(
    table: pd.DataFrame, columns: Columns, least: float = ABOVE_ZERO, least_loss: float = -np.inf
) -> list[Group]:
    """The same for losses, in their own unit; those below `least_loss` are refused."""
    _check_columns(table, columns)
    values = _numbers(table, columns.value)
    bad = np.flatnonzero(values < least_loss)
    if len(bad):
        raise Refused(
            f"row {bad[0] + 1}: {columns.value} is {values[bad[0]]:g}; a loss has to be above 0 for this law,"
            " which works with its logarithm; correct the row, or fit --law loglinear"
        )
    return _groups(table, columns, values, least)


def _groups(table: pd.DataFrame, columns: Columns, values: Floats, least: float) -> list[Group]:
    amounts = _numbers(table, columns.amount)
    _check_amounts(amounts, columns.amount, least)
    keys = _codes(table, columns.by)
    chains = _codes(table, columns.seed) if columns.seed else None
    if chains is not None:
        _check_repeats(table, columns, np.column_stack([keys, amounts, chains]))
    items = _items(table, columns.items)
    identical = table.duplicated(keep="first").to_numpy()
    groups = []
    for rows in _split(keys):
        runs = Runs(
            amounts=amounts[rows],
            values=values[rows],
            chains=None if chains is None else np.unique(chains[rows], return_inverse=True)[1],
            labels=[f"row {row + 1}" for row in rows.tolist()],
            n_items=None if items is None else items[rows],
        )
        key = {name: _plain(table[name].iloc[rows[0]]) for name in columns.by}
        seeds = None if chains is None else chains[rows]
        groups.append(Group(key, runs, _repeat_notes(rows[identical[rows]]), seeds))
    return groups


def _read_text(path: Path) -> pd.DataFrame:
    """Only an empty cell is missing: a model may well be called None or NA."""
    return pd.read_csv(
        path,
        sep="\t" if path.suffix == ".tsv" else ",",
        keep_default_na=False,
        na_values=[""],
        low_memory=False,
        encoding="utf-8-sig",
    )


def _check_columns(table: pd.DataFrame, columns: Columns) -> None:
    named = [columns.amount, columns.value, *columns.by, *columns.seed]
    for name in named:
        if name not in table.columns:
            known = {column.lower(): column for column in table.columns}
            near = get_close_matches(name.lower(), known, n=1)
            guess = f" Did you mean {known[near[0]]}?" if near else ""
            raise Refused(f"no column {name!r}: the table has {', '.join(table.columns)}.{guess}")
        if named.count(name) > 1:
            raise Refused(f"column {name!r} is named twice among --amount, --value, --by and --seed")


def _numbers(table: pd.DataFrame, column: str) -> Floats:
    """A column as finite floats."""
    numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        cell = table[column].iloc[bad[0]]
        found = "empty" if pd.isna(cell) else f"{str(cell)!r}, not a finite number"
        raise Refused(f"row {bad[0] + 1}: {column} is {found}; correct the row or leave it out")
    return numbers


def _check_amounts(amounts: Floats, column: str, least: float) -> None:
    bad = np.flatnonzero(amounts < least)
    if not len(bad):
        return
    value = amounts[bad[0]]
    problem = "which has no logarithm; leave rows without fine-tuning data out"
    if least == 0:
        problem = "less than no data at all; correct the row or leave it out"
    raise Refused(f"row {bad[0] + 1}: {column} is {value:g}, {problem}")


def _check_values(values: Floats, column: str, scale: float) -> None:
    bad = np.flatnonzero((values < 0) | (values > scale))
    if not len(bad):
        return
    value = values[bad[0]]
    percent = scale == 1 and values.min() >= 0 and values.max() <= PERCENT
    remedy = "say --percent if the column is in percent" if percent else "correct the row or leave it out"
    raise Refused(f"row {bad[0] + 1}: {column} is {value:g}, not an accuracy from 0 to {scale:g}; {remedy}")


def _codes(table: pd.DataFrame, names: Sequence[str]) -> NDArray[np.intp]:
    """One number per distinct combination, counted in the order of first rows. An empty cell is refused."""
    for name in names:
        empty = np.flatnonzero(table[name].isna())
        if len(empty):
            raise Refused(f"row {empty[0] + 1}: {name} is empty; fill it in or leave the row out")
    if not names:
        return np.zeros(len(table), dtype=np.intp)
    codes: NDArray[np.intp] = table.groupby(list(names), sort=False).ngroup().to_numpy().astype(np.intp)
    return codes


def _check_repeats(table: pd.DataFrame, columns: Columns, identity: Floats) -> None:
    """Two rows of one group with the same amount and seed are one run told twice, or a missing --by."""
    places = pd.DataFrame(identity)
    again = np.flatnonzero(places.duplicated())
    if not len(again):
        return
    second = int(again[0])
    first = int(np.flatnonzero((identity == identity[second]).all(axis=1))[0])
    what = ", ".join(
        f"{name} {table[name].iloc[second]}" for name in (*columns.by, columns.amount, *columns.seed)
    )
    raise Refused(
        f"rows {first + 1} and {second + 1} are the same run ({what}):"
        " leave one out, or name the column that tells them apart in --by or --seed"
    )


def _items(table: pd.DataFrame, items: str | None) -> Floats | None:
    """The number of test items behind each row."""
    if items is None:
        return None
    if items in table.columns:
        numbers = _numbers(table, items)
    elif items.isdecimal():
        numbers = np.full(len(table), float(items))
    else:
        raise Refused(
            f"--items is {items!r}, neither a number nor a column: the table has {', '.join(table.columns)}"
        )
    bad = np.flatnonzero(numbers < 1)
    if len(bad):
        raise Refused(f"row {bad[0] + 1}: {numbers[bad[0]]:g} test items; an accuracy takes at least one")
    return numbers


def _split(keys: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """The rows of each group, groups and rows in the order of the table."""
    order = np.argsort(keys, kind="stable")
    return iter(np.split(order, np.flatnonzero(np.diff(keys[order])) + 1))


def _repeat_notes(identical: NDArray[np.intp]) -> tuple[str, ...]:
    return tuple(
        f"row {row + 1} repeats an earlier row in every column; both are kept" for row in identical.tolist()
    )


def _scale_notes(points: Floats, scale: float) -> list[str]:
    if scale == PERCENT and 0 < points.max() <= 1:
        return ["no value above 1 percent: are these fractions, and --percent a mistake?"]
    return []


def _plain(value: Any) -> Any:
    """A cell as JSON has it."""
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if isinstance(plain, str | int | float | bool) else str(plain)
