"""What `doublings fit` writes beside what it prints: a figure, or a folder of figures and tables."""

from dataclasses import dataclass
from pathlib import Path

from analysis.figures import FORMATS, Column, rendered
from analysis.files import parquet, write_bytes
from analysis.grids import Grid
from analysis.least_squares import Estimate
from analysis.notebook import Fits
from analysis.numerals import NOTHING, decimals_of, interval, number
from analysis.typeset import latex, markdown
from orchestrator.files import write_text
from orchestrator.refusal import Refused


@dataclass(frozen=True)
class FitFiles:
    """Where the scaling figure goes, and where all figures and tables go; None: nowhere."""

    figure: Path | None
    into: Path | None
    column: Column

    @classmethod
    def of(cls, figure: Path | None, into: Path | None, column: str) -> "FitFiles":
        """From the words of the command line. Raises Refused where they make no sense."""
        if figure is not None and figure.suffix.removeprefix(".") not in FORMATS:
            raise Refused(f"--figure {figure} ends in no format of figures: there is {', '.join(FORMATS)}")
        if column not in tuple(Column):
            raise Refused(f"no column {column!r}: there is {', '.join(Column)}")
        return cls(figure, into, Column(column))

    def write(self, fits: Fits) -> None:
        """Write what was asked for. Raises Refused where a place cannot be written to."""
        try:
            if self.figure is not None:
                kind = self.figure.suffix.removeprefix(".")
                write_bytes(self.figure, rendered(fits.figure("scaling", self.column), kind))
            if self.into is not None:
                _write_all(self.into, fits)
        except OSError as error:
            where = self.figure if self.into is None else self.into
            raise Refused(f"{where} cannot be written to ({error}); free or grant access to it") from error


def _write_all(folder: Path, fits: Fits) -> None:
    for drawing in fits.drawings():
        for column in Column:
            figure = drawing.draw(column)
            for kind in FORMATS:
                name = f"{drawing.name}-{column}.{kind}"
                write_bytes(folder / "figures" / name, rendered(figure, kind))
    grid, caption = fits_grid(fits), f"Fits, in {fits.curves[0].metric.unit}, with 95 % intervals."
    write_text(folder / "tables" / "fits.tex", latex(grid, caption, "fits"))
    write_text(folder / "tables" / "fits.md", markdown(grid, caption))
    tables = {
        "fits": fits.table,
        "runs": fits.runs,
        "warnings": fits.warnings,
        "predictions": fits.predictions,
        "comparisons": fits.comparisons,
        "equivalences": fits.equivalences,
        "sizes": fits.sizes,
    }
    for name, table in tables.items():
        if len(table):
            write_text(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
            write_bytes(folder / f"{name}.parquet", parquet(table))


def fits_grid(fits: Fits) -> Grid:
    """One row per curve: its group, law, every parameter with its interval, how the fit ended."""
    names = list(dict.fromkeys(name for each in fits.curves for name in each.fit.parameters))
    head = (*fits.curves[0].group, "law", *(part for name in names for part in (name, "95 % interval")))
    rows = []
    for each in fits.curves:
        cells = [
            cell for name in names for cell in _told(each.fit.parameters.get(name), each.metric.decimals)
        ]
        labels = (*(str(value) for value in each.group.values()), each.fit.law.id)
        rows.append((*labels, *cells, str(len(each.runs.values)), each.fit.status.value))
    return Grid((*head, "runs", "status"), tuple(rows), len(fits.curves[0].group) + 1)


def _told(estimate: Estimate | None, decimals: int) -> tuple[str, str]:
    """Estimate and interval; dashes for a parameter that the law does not have."""
    if estimate is None:
        return NOTHING, NOTHING
    shown = decimals_of(estimate, decimals + 1)
    return number(estimate.estimate, shown), interval(estimate, shown)
