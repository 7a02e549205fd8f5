"""What the cells of a study were told to do: every setting with the values it takes."""

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.study import Study

FEW = 8  # values that are listed; of more, their number


class Settings:
    """Settings of the cells that curves are made of, by dotted name, in the order of the plan."""

    def __init__(self, study: Study) -> None:
        self._values: dict[str, dict[str, None]] = {}
        for cell in study.cells:
            if not cell["reference"]:
                # The axes have names and counts where the cell has what they stand for.
                for name, value in [*_leaves(cell["cell"]), *_leaves(cell["axes"])]:
                    if name not in cell["axes"] or value == cell["axes"][name]:
                        self._values.setdefault(name, {})[_text(value)] = None

    def values(self, name: str) -> list[str]:
        """The distinct values of one setting; none where no cell has it."""
        return list(self._values.get(name, {}))

    def told(self, name: str, otherwise: str = "not stated") -> str:
        """The values of one setting for a reader."""
        return _enumerated(self.values(name)) or otherwise

    def under(self, prefix: str) -> str:
        """`a 1, b 2` for every setting below a prefix."""
        parts = [f"{name.removeprefix(f'{prefix}.')} {self.told(name)}" for name in self.names(prefix)]
        return ", ".join(parts) or "not stated"

    def names(self, prefix: str) -> list[str]:
        """The settings below a prefix."""
        return [name for name in self._values if name.startswith(f"{prefix}.")]


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def _enumerated(values: list[str]) -> str:
    if len(values) > FEW:
        return f"{len(values)} values from {values[0]} to {values[-1]}"
    return ", ".join(values)
