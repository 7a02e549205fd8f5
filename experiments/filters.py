"""What a row must be to stay in a pool, as the filters of its strategy ask."""

import importlib
import re

from experiments.annotated.solution import Unreadable, computes, steps_of
from experiments.grading.batch import reference_of
from experiments.text import query_id
from orchestrator.strategies import Filters

# A calculation in prose, where none is annotated: `3 x 4 = 12`.
_EQUATION = re.compile(r"[\d.,()$%\s]*\d\s*[-+*/x×÷][-+*/x×÷\d.,()$%\s]*=\s*\$?-?[\d.,]*\d")
# Formulas have letters, and no language.
_FORMULA = re.compile(r"\$[^$]*\$|<<[^<>]*>>|\\[a-zA-Z]+")
_WORD = re.compile(r"[^\W\d_]+")
FEWEST_LETTERS = 40  # below, names and terms decide
_ANNOTATED = re.compile(r"<<([^<>]*)>>")


def failing(filters: Filters, query: str, response: str) -> str | None:
    """The first filter that a row does not pass, in two or three words; None where it passes them all."""
    if filters.max_characters is not None and len(query) + len(response) > filters.max_characters:
        return "too long"
    if filters.answer is not None and reference_of(filters.answer, response) is None:
        return "no answer"
    if filters.equations and not _all_compute(response):
        return "wrong equation"
    if filters.language is not None and language_of(f"{query}\n{response}") not in (filters.language, None):
        return "other language"
    return None


def language_of(text: str) -> str | None:
    """ISO 639-1, by the words of a text; None where these are too few to tell."""
    words = " ".join(_WORD.findall(_FORMULA.sub(" ", text)))
    if len(words) < FEWEST_LETTERS:
        return None
    # Its model is read with it, which pools that are not asked for a language need not wait for.
    language: str = importlib.import_module("py3langid").classify(words)[0]
    return language


def equations(response: str) -> tuple[str, ...]:
    """The calculations of a solution in order, without spaces: what makes it another path than others.

    Yuan et al. (2023, arXiv 2308.01825) call paths distinct by this list. Where nothing is annotated, the
    calculations are read from the prose.
    """
    found = _ANNOTATED.findall(response) or _EQUATION.findall(response)
    return tuple(re.sub(r"[\s$]", "", equation).replace("×", "*").replace("x", "*") for equation in found)


def path_id(query: str, response: str) -> bytes:
    """The same for two solutions of one query by the same calculations."""
    listed = equations(response)
    return bytes.fromhex(query_id(f"{query}\n{listed or response}"))


def _all_compute(response: str) -> bool:
    try:
        return all(map(computes, steps_of(response)))
    except Unreadable:
        return False
