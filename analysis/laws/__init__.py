"""The laws: formulas for a measured value against the amount of data, each declared once."""

from analysis.laws import curved, linear, sigmoid
from analysis.laws.declaration import AnyLaw, CurvedLaw, Floats, Law, Parameter
from analysis.laws.linear import LOGLINEAR

LAWS: dict[str, AnyLaw] = {law.id: law for law in (*linear.LAWS, *curved.LAWS, *sigmoid.LAWS)}
# What may forecast: every law, and variants of a law with a parameter held.
FORECASTERS: tuple[AnyLaw, ...] = (*LAWS.values(), *curved.VARIANTS)

__all__ = ["FORECASTERS", "LAWS", "LOGLINEAR", "AnyLaw", "CurvedLaw", "Floats", "Law", "Parameter"]
