"""Tables for a paper: booktabs LaTeX and Markdown, every name escaped."""

import re

from analysis.grids import Grid
from analysis.latex import escaped

# What Markdown, and the HTML inside it, would act on.
ACTIVE = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")

# Cells longer than this many letters are set in paragraphs that break.
LONGEST = 60
PARAGRAPH = r">{\raggedright\arraybackslash}p{0.3\linewidth}"


def latex(grid: Grid, caption: str, label: str) -> str:
    r"""A `table` float; the document needs the packages `booktabs` and `array`."""
    widest = max((len(cell) for row in grid.rows for cell in row), default=0)
    name = "l" if widest <= LONGEST else PARAGRAPH
    columns = name * grid.n_labels + "r" * (len(grid.head) - grid.n_labels)
    lines = [
        "% \\usepackage{array,booktabs}",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{escaped(caption)}}}",
        f"\\label{{tab:{label}}}",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        _latex_row(grid.head),
        "\\midrule",
        *(_latex_row(row) for row in grid.rows),
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def markdown(grid: Grid, caption: str) -> str:
    """A pipe table under its caption, numbers to the right."""
    rule = [":--"] * grid.n_labels + ["--:"] * (len(grid.head) - grid.n_labels)
    rows = [_markdown_row(grid.head), f"| {' | '.join(rule)} |", *(_markdown_row(row) for row in grid.rows)]
    return "\n".join([markdown_text(caption), "", *rows]) + "\n"


def latex_text(text: str) -> str:
    """A paragraph, every sentence on a line of its own."""
    return escaped(text).replace(". ", ".\n") + "\n"


def markdown_text(text: str) -> str:
    """A text that Markdown shows as it is, on one line."""
    return ACTIVE.sub(r"\\\1", " ".join(text.split()))


def _latex_row(cells: tuple[str, ...]) -> str:
    return f"{' & '.join(escaped(cell) for cell in cells)} \\\\"


def _markdown_row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(markdown_text(cell) for cell in cells)} |"
