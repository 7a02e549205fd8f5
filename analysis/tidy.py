"""Any tidy table as groups of runs, refused with the row and the value where it cannot be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.fitting import Runs
from analysis.laws import Floats
from analysis.metric import POINTS_PER_FRACTION
from analysis.numerals import exactly
from orchestrator.refusal import Refused

PERCENT = 100.0
# So many columns named like amounts make a table wide: one or two may be years or versions.
FEWEST_WIDE = 3
# The least amount that is read: one with a logarithm.
ABOVE_ZERO = float(np.nextafter(0, 1))
# Neither less data than this nor more is there; powers of such amounts leave the floats.
LEAST_DATA, MOST_DATA = 1e-9, 1e18


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


def accuracy_groups(
    table: pd.DataFrame, columns: Columns, scale: float, least: float = ABOVE_ZERO
) -> list[Group]:
    """The groups in the order of their first rows, accuracies in points.

    `scale` is the value of a perfect accuracy, 1 for fractions and 100 for percent; amounts below `least` are
    refused. Raises Refused, naming column, row and value, for whatever a fit could not use. A row is known by
    the table's index, which counts from 0 below the header; messages count from 1.
    """
    _check_columns(table, columns)
    values = _numbers(table, columns.value)
    _check_values(table, values, columns.value, scale)
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
            f"{_rows(table, bad)}: {columns.value} is {exactly(values[bad[0]])}; a loss has to be above 0 for"
            " this law, which works with its logarithm; correct the row, or fit --law loglinear"
        )
    return _groups(table, columns, values, least)


def _groups(table: pd.DataFrame, columns: Columns, values: Floats, least: float) -> list[Group]:
    amounts = _numbers(table, columns.amount)
    _check_amounts(table, amounts, columns.amount, least)
    _check_extremes(table, amounts, columns.amount)
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
            labels=[f"row {_row(table, row)}" for row in rows.tolist()],
            n_items=None if items is None else items[rows],
        )
        key = {name: _plain(table[name].iloc[rows[0]]) for name in columns.by}
        seeds = None if chains is None else chains[rows]
        groups.append(Group(key, runs, _repeat_notes(table, rows[identical[rows]]), seeds))
    return groups


def _check_columns(table: pd.DataFrame, columns: Columns) -> None:
    named = [columns.amount, columns.value, *columns.by, *columns.seed]
    for name in named:
        if name not in table.columns:
            known = {column.lower(): column for column in table.columns}
            near = get_close_matches(name.lower(), known, n=1)
            guess = f" Did you mean {known[near[0]]}?" if near else ""
            told = f"no column {name!r}: the table has {', '.join(table.columns)}.{guess}"
            raise Refused(told + _melting(table, columns))
        if named.count(name) > 1:
            raise Refused(f"column {name!r} is named twice among --amount, --value, --by and --seed")


def _melting(table: pd.DataFrame, columns: Columns) -> str:
    """What to do with a table that has a column for each amount; nothing for any other."""
    amounts = [name for name in table.columns if _is_amount(name)]
    if len(amounts) < FEWEST_WIDE or columns.amount in table.columns:
        return ""
    others = [name for name in table.columns if name not in amounts]
    return (
        f" Columns {amounts[0]} to {amounts[-1]} look like amounts, one row is to be one run: in Python,"
        f" table.melt(id_vars={others}, var_name={columns.amount!r}, value_name={columns.value!r})"
    )


def _is_amount(name: str) -> bool:
    try:
        return float(name) >= 0
    except ValueError:
        return False


def _row(table: pd.DataFrame, place: int) -> int:
    """The number of the row in the file, from 1 below the header."""
    return int(table.index[place]) + 1


def _rows(table: pd.DataFrame, bad: NDArray[np.intp]) -> str:
    """The first of the bad rows, and how many more there are."""
    more = f" (and {len(bad) - 1:,} more)" if len(bad) > 1 else ""
    return f"row {_row(table, bad[0])}{more}"


def _numbers(table: pd.DataFrame, column: str) -> Floats:
    """A column as finite floats."""
    numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        cell, where = table[column].iloc[bad[0]], f"{_rows(table, bad)}: {column}"
        if pd.isna(cell):
            leaving = f"--where '{_in_query(column)}.notna()'"
            raise Refused(f"{where} is empty; fill it in or leave it out, as {leaving} does")
        raise Refused(f"{where} is {str(cell)!r}, not a finite number; correct the row or leave it out")
    return numbers


def _in_query(column: str) -> str:
    return column if column.isidentifier() else f"`{column}`"


def _check_amounts(table: pd.DataFrame, amounts: Floats, column: str, least: float) -> None:
    bad = np.flatnonzero(amounts < least)
    if not len(bad):
        return
    found = f"{_rows(table, bad)}: {column} is {exactly(amounts[bad[0]])}"
    if least == 0:
        raise Refused(f"{found}, less than no data at all; correct the row or leave it out")
    raise Refused(
        f"{found}, which has no logarithm; leave rows without fine-tuning data out, as"
        f" --where '{_in_query(column)} > 0' does, or choose a law that takes them, such as --law auto"
    )


def _check_extremes(table: pd.DataFrame, amounts: Floats, column: str) -> None:
    bad = np.flatnonzero((amounts > MOST_DATA) | ((amounts > 0) & (amounts < LEAST_DATA)))
    if len(bad):
        raise Refused(
            f"{_rows(table, bad)}: {column} is {exactly(amounts[bad[0]])}, which is no amount of data:"
            f" give amounts from {LEAST_DATA:g} to {MOST_DATA:g}"
        )


def _check_values(table: pd.DataFrame, values: Floats, column: str, scale: float) -> None:
    bad = np.flatnonzero((values < 0) | (values > scale))
    if not len(bad):
        return
    percent = scale == 1 and values.min() >= 0 and 1 < np.median(values) <= PERCENT
    remedy = "say --percent if the column is in percent" if percent else "correct the row or leave it out"
    raise Refused(
        f"{_rows(table, bad)}: {column} is {exactly(values[bad[0]])},"
        f" not an accuracy from 0 to {scale:g}; {remedy}"
    )


def _codes(table: pd.DataFrame, names: Sequence[str]) -> NDArray[np.intp]:
    """One number per distinct combination, counted in the order of first rows. An empty cell is refused."""
    for name in names:
        empty = np.flatnonzero(table[name].isna())
        if len(empty):
            raise Refused(f"{_rows(table, empty)}: {name} is empty; fill it in or leave the row out")
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
        f"rows {_row(table, first)} and {_row(table, second)} are the same run ({what}):"
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
        raise Refused(
            f"{_rows(table, bad)}: {exactly(numbers[bad[0]])} test items; an accuracy takes at least one"
        )
    return numbers


def _split(keys: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """The rows of each group, groups and rows in the order of the table."""
    order = np.argsort(keys, kind="stable")
    return iter(np.split(order, np.flatnonzero(np.diff(keys[order])) + 1))


def _repeat_notes(table: pd.DataFrame, identical: NDArray[np.intp]) -> tuple[str, ...]:
    """One sentence, however many there are: rounded values of runs without a seed often repeat."""
    if not len(identical):
        return ()
    verb = "repeats an earlier row" if len(identical) == 1 else "repeat earlier rows"
    return (f"{_rows(table, identical)} {verb} in every column; all are kept",)


def _scale_notes(points: Floats, scale: float) -> list[str]:
    if scale == PERCENT and 0 < points.max() <= 1:
        return ["no value above 1 percent: are these fractions, and --percent a mistake?"]
    return []


def _plain(value: Any) -> Any:
    """A cell as JSON has it."""
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if isinstance(plain, str | int | float | bool) else str(plain)
