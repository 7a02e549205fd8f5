"""A problem while it is being understood: which number of its solution comes from where."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from experiments.annotated.fixed import constants, may_vary
from experiments.annotated.numerals import Number, Numeral, numerals, words_worth
from experiments.annotated.solution import ANNOTATION, Step, Unreadable, answer_of, is_exact, steps_of

# Values that a solution may bring in unsaid ("the two of them"), where nothing that varies explains them.
HARMLESS = frozenset((1, 2, 3, 4, 10, 100, 1000))
# Up to here a number may count the people of a problem, though the problem never says how many they are.
LARGEST_HEADCOUNT = 12

_NEXT_WORD = re.compile(r"\s+([A-Za-z]{2,})")


class Lost(Exception):
    """A problem that cannot be varied; says why in a few words."""


class Reading:
    """Question and solution taken apart. Raises Lost where they cannot be.

    `leaves` are the numbers of the question that may vary, each value once; a candidate for what a number
    stands for is the index of a leaf, behind the leaves that of a step, or None for a fixed value.
    """

    def __init__(self, question: str, solution: str) -> None:
        self.question, self.solution = question, solution
        self.steps = _exact_steps(solution)
        self.answer, self.answer_step = _answer(solution, self.steps)
        self.varying = may_vary(question)
        self.leaves = list({number.value: number for number in reversed(self.varying)}.values())
        if not self.leaves:
            raise Lost("no number that may vary")
        free = {number.start for number in self.varying}
        held = {number.value for number in numerals(question) if number.start not in free}
        self.constants = constants(question, solution) | held
        told = _told(solution, self.steps, self.answer)
        # A number right behind an annotation is its result, whatever else has that value.
        ends = {step.end: index for index, step in enumerate(self.steps)}
        self.repeated = [(n, ends[n.start]) for n in told if n.value == self._result_at(ends.get(n.start))]
        starts = {number.start for number, _ in self.repeated}
        self.told = [number for number in told if number.start not in starts]

    def leaf_of(self, number: Numeral) -> int:
        """The leaf that a number of the question is a mention of."""
        return next(index for index, leaf in enumerate(self.leaves) if leaf.value == number.value)

    def told_candidates(self, number: Numeral) -> list[int | None]:
        """The same for a number of the solution's prose; a result may be announced before it is computed."""
        before = self.candidates(number.value, self._n_before(number))
        return before or self.candidates(number.value, len(self.steps))

    def candidates(self, value: Number, n_steps: int) -> list[int | None]:
        """All that a number may stand for where so many steps came before it."""
        steps = self.steps[:n_steps]
        found: list[int | None] = [index for index, leaf in enumerate(self.leaves) if leaf.value == value]
        found += [len(self.leaves) + i for i, step in enumerate(steps) if step.result.value == value]
        return [*found, None] if value in self.constants else found

    def frozen(self) -> set[int]:
        """The leaves that must stay as they are. Raises Lost for a number that nothing explains."""
        used = self._used()
        unused = [index for index in range(len(self._origins)) if index not in used]
        spelt = set(words_worth(ANNOTATION.sub("", self.solution))) - {1}
        values = [*(leaf.value for leaf in self.leaves), *(step.result.value for step in self.steps)]
        unsure = [*unused, *(index for index, value in enumerate(values) if value in spelt)]
        frozen = {leaf for index in unsure for leaf in self._ancestors[index]}
        return frozen.union(*self._ambiguous(), self._headcounts())

    def _n_before(self, number: Numeral) -> int:
        return sum(step.start < number.start for step in self.steps)

    def _result_at(self, step: int | None) -> Number | None:
        return None if step is None else self.steps[step].result.value

    @cached_property
    def _origins(self) -> list[list[int]]:
        """For each leaf and each step, the leaves and steps that it may be made of directly."""
        found: list[list[int]] = [[] for _ in self.leaves]
        for index, step in enumerate(self.steps):
            candidates = (self.candidates(literal.value, index) for literal in step.literals)
            found.append([one for some in candidates for one in some if one is not None])
        return found

    @cached_property
    def _ancestors(self) -> list[set[int]]:
        """For each leaf and each step, the leaves that it may depend on."""
        ancestors = [{index} for index in range(len(self.leaves))]
        for origins in self._origins[len(self.leaves) :]:
            ancestors.append(set().union(*(ancestors[one] for one in origins)))
        return ancestors

    def _used(self) -> set[int]:
        """Leaves and steps that lead to the answer."""
        used: set[int] = set()
        todo = [len(self.leaves) + self.answer_step]
        while todo:
            index = todo.pop()
            if index not in used:
                used.add(index)
                todo.extend(self._origins[index])
        return used

    def _ambiguous(self) -> Iterator[set[int]]:
        """For each number of the solution that could be several things, or none, the leaves behind these."""
        for value, n_steps, found in self._mentions():
            if len(found) > 1:
                yield {leaf for one in found if one is not None for leaf in self._ancestors[one]}
            elif not found:
                explained = self._explaining(value, n_steps)
                if not explained and value not in HARMLESS:
                    raise Lost("a number of the solution comes from nowhere")
                yield explained

    def _mentions(self) -> Iterator[tuple[Number, int, list[int | None]]]:
        """Each number of the solution, how many steps may be behind it, and what it may stand for."""
        for index, step in enumerate(self.steps):
            for literal in step.literals:
                yield literal.value, index, self.candidates(literal.value, index)
        for number in self.told:
            yield number.value, self._n_before(number), self.told_candidates(number)

    def _explaining(self, value: Number, n_steps: int) -> set[int]:
        """The leaves out of which one sum, difference, product, quotient or rounding makes the value."""
        known = [leaf.value for leaf in self.leaves]
        known += [step.result.value for step in self.steps[:n_steps]]
        others = {*known, *self.constants, 2, 100}
        makers = (
            index
            for index, one in enumerate(known)
            if -1 < one - value < 1 or any(_makes(one, other, value) for other in others)
        )
        return {leaf for index in makers for leaf in self._ancestors[index]}

    def _headcounts(self) -> set[int]:
        """Leaves that the solution names with a noun which the question does not know ("the 3 men")."""
        words = {word[:4] for word in re.findall(r"[a-z]{2,}", self.question.lower())}
        small = {
            leaf.value: index for index, leaf in enumerate(self.leaves) if leaf.value <= LARGEST_HEADCOUNT
        }
        nouns = (
            (small[number.value], found[1])
            for number in self.told
            if number.value in small and (found := _NEXT_WORD.match(self.solution, number.end))
        )
        return {leaf for leaf, noun in nouns if noun.lower()[:4] not in words | _LINKS}


# Beginnings of words that stand behind any number.
_LINKS = frozenset(
    ["time", "and", "from", "by", "plus", "minu", "is", "equa", "divi", "mult", "each", "per", "of", "in"]
)


def _makes(one: Number, other: Number, value: Number) -> bool:
    if value in (one + other, one - other, other - one, one * other):
        return True
    return bool((other and one == value * other) or (one and other == value * one))


def _exact_steps(solution: str) -> list[Step]:
    try:
        steps = steps_of(solution)
        exact = all(map(is_exact, steps))
    except (Unreadable, ZeroDivisionError) as error:
        raise Lost("an annotation is no calculation") from error
    if not steps:
        raise Lost("no annotation")
    if not exact:
        raise Lost("a step is rounded")
    return steps


def _answer(solution: str, steps: Sequence[Step]) -> tuple[Numeral, int]:
    """The final answer, and the last step that comes to it."""
    answer = answer_of(solution)
    if answer is None:
        raise Lost("no answer")
    found = [index for index, step in enumerate(steps) if step.result.value == answer.value]
    if not found:
        raise Lost("the answer is no step's result")
    return answer, found[-1]


def _told(solution: str, steps: Sequence[Step], answer: Numeral) -> list[Numeral]:
    """The numbers of a solution outside its annotations and before its answer."""
    spans = [(step.start, step.end) for step in steps]
    return [
        number
        for number in numerals(solution[: answer.start])
        if not any(start <= number.start < end for start, end in spans)
    ]
