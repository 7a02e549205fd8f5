"""What may vary in a problem, and how everything else follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.annotated.numerals import Number, Numeral, numerals
from experiments.annotated.reading import Lost, Reading
from experiments.annotated.solution import Step, value_of_step


@dataclass(frozen=True)
class Blueprint:
    """A problem whose numbers can be drawn anew.

    `leaves` are the numbers that vary, as the question first writes each. `origins` say for each literal of a
    step what it stands for: the index of a leaf, behind the leaves that of an earlier step, or None where it
    is fixed. `asked` and `told` are the numbers of question and solution that follow, from left to right.
    """

    question: str
    solution: str
    leaves: tuple[Numeral, ...]
    fixed: tuple[Number, ...]
    steps: tuple[Step, ...]
    origins: tuple[tuple[int | None, ...], ...]
    asked: tuple[tuple[Numeral, int], ...]
    told: tuple[tuple[Numeral, int], ...]

    def values(self, leaves: Sequence[Number]) -> list[Number]:
        """Of the leaves, then of the steps. Raises ZeroDivisionError."""
        values = list(leaves)
        for index, step in enumerate(self.steps):
            values.append(value_of_step(step, self.literals(index, values)))
        return values

    def literals(self, step: int, values: Sequence[Number]) -> list[Number]:
        """What stands in a step, where leaves and earlier steps have these values."""
        return [
            literal.value if origin is None else values[origin]
            for literal, origin in zip(self.steps[step].literals, self.origins[step], strict=True)
        ]

    def place(self, step: int) -> int:
        """Where the value of a step stands among `values`."""
        return len(self.leaves) + step


def blueprint(question: str, solution: str) -> Blueprint:
    """Raises Lost where nothing can be varied safely."""
    reading = Reading(question, solution)
    frozen = reading.frozen()
    kept = [index for index in range(len(reading.leaves)) if index not in frozen]
    if not kept:
        raise Lost("every number fixed or ambiguous")
    return _tied(reading, kept)


def _tied(reading: Reading, kept: Sequence[int]) -> Blueprint:
    """Every number of the texts tied to where it comes from, once only some leaves are left."""
    moved: dict[int | None, int] = {leaf: index for index, leaf in enumerate(kept)}
    moved |= {len(reading.leaves) + index: len(kept) + index for index in range(len(reading.steps))}

    def first(candidates: Sequence[int | None]) -> int | None:
        return moved.get(next(iter(candidates), None))

    steps = reading.steps
    origins = [
        [first(reading.candidates(one.value, index)) for one in step.literals]
        for index, step in enumerate(steps)
    ]
    told = [(number, first(reading.told_candidates(number))) for number in reading.told]
    told += [
        pair
        for step, row in zip(steps, origins, strict=True)
        for pair in zip(step.literals, row, strict=True)
    ]
    told += [(step.result, len(kept) + index) for index, step in enumerate(steps)]
    told += [(number, len(kept) + step) for number, step in reading.repeated]
    told.append((reading.answer, len(kept) + reading.answer_step))
    asked = [(number, moved.get(reading.leaf_of(number))) for number in reading.varying]
    free = {reading.leaves[leaf].value for leaf in kept}
    return Blueprint(
        question=reading.question,
        solution=reading.solution,
        leaves=tuple(reading.leaves[leaf] for leaf in kept),
        fixed=tuple(n.value for n in numerals(reading.question) if n.value not in free),
        steps=tuple(steps),
        origins=tuple(map(tuple, origins)),
        asked=_slots(asked),
        told=_slots(told),
    )


def _slots(numbers: Sequence[tuple[Numeral, int | None]]) -> tuple[tuple[Numeral, int], ...]:
    found = [(number, origin) for number, origin in numbers if origin is not None]
    return tuple(sorted(found, key=lambda slot: slot[0].start))
