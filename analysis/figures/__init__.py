"""The figures, one function each. The only package that knows matplotlib."""

from analysis.figures.scaling import scaling, scaling_panel
from analysis.figures.style import rendered

__all__ = ["rendered", "scaling", "scaling_panel"]
