"""Tables as files have them."""

from pathlib import Path

import pandas as pd

from orchestrator.refusal import Refused


def read_table(path: Path, where: str | None = None) -> pd.DataFrame:
    """A CSV, TSV or Parquet file, or those of its rows for which `where`, an expression of pandas, holds.

    The index keeps the place of each row in the file. Raises Refused where it is no table, is unreadable or
    has no such rows.
    """
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
    table = table.rename(columns=str).reset_index(drop=True)
    return table if where is None else _selected(table, where)


def _selected(table: pd.DataFrame, where: str) -> pd.DataFrame:
    try:
        rows = table.query(where, engine="python")
    # pandas raises whatever Python does with an expression: names, types, syntax, keys.
    except Exception as error:
        told = " ".join(str(error).split())
        raise Refused(
            f"--where {where!r} is no condition on these rows ({told}): the table has"
            f" {', '.join(table.columns)}; write names with spaces in backquotes"
        ) from error
    if not isinstance(rows, pd.DataFrame):
        raise Refused(f"--where {where!r} is no condition: give one such as 'amount > 0'")
    if rows.empty:
        raise Refused(f"--where {where!r} leaves no row of {len(table):,}")
    return rows


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
