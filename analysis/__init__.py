"""Laws, fits, figures, tables, the report page; from Python: `fit(table, ...)` and `load(study_folder)`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.notebook import Fits, StudyAnalysis, fit, load

__all__ = ["Fits", "StudyAnalysis", "fit", "load"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """The names above, when they are first asked for: pandas and matplotlib are slow to import."""
        if name in __all__:
            return getattr(import_module("analysis.notebook"), name)
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
