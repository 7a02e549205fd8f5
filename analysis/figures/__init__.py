"""The figures, one function each. The only package that knows matplotlib."""

from analysis.figures.bars import bars
from analysis.figures.components import components
from analysis.figures.distribution import distribution
from analysis.figures.domains import domains
from analysis.figures.equivalence import equivalence
from analysis.figures.files import FORMATS, rendered
from analysis.figures.forest import slopes
from analysis.figures.marks import marks
from analysis.figures.residuals import residuals, residuals_of
from analysis.figures.scaling import scaling
from analysis.figures.style import Column

__all__ = [
    "FORMATS",
    "Column",
    "bars",
    "components",
    "distribution",
    "domains",
    "equivalence",
    "marks",
    "rendered",
    "residuals",
    "residuals_of",
    "scaling",
    "slopes",
]
