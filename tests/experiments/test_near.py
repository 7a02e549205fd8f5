"""Near-duplicates found by MinHash are the ones that an exact comparison finds."""

from itertools import islice
from random import Random

import pytest

from experiments.annotated import Yield, varied
from experiments.near import N_WORDS, near_duplicates
from experiments.text import words_of
from tests.experiments.test_annotated import BAKERY, SHARED


def ngrams(text: str) -> list[tuple[str, ...]]:
    """Runs of five words, without case and punctuation; a shorter text is one run."""
    words = words_of(text)
    return [tuple(words[start : start + N_WORDS]) for start in range(max(len(words) - N_WORDS, 0) + 1)]


def exactly(texts: list[str], threshold: float) -> list[bool]:
    """Each text compared with every one that was kept before."""
    kept: list[set[tuple[str, ...]]] = []
    flags = []
    for text in texts:
        mine = set(ngrams(text))
        flags.append(any(len(mine & one) >= threshold * len(mine | one) for one in kept))
        if not flags[-1]:
            kept.append(mine)
    return flags


def sample(n_rows: int) -> list[str]:
    """Texts of a few moulds with other words here and there: some alike, some not."""
    random = Random(0)
    moulds = [BAKERY[0], SHARED[0], *(row.query for row in islice(varied([("a", *BAKERY)], 0, Yield()), 8))]
    texts = []
    for _ in range(n_rows):
        words = (random.choice(moulds) + " " + random.choice(moulds)).split()
        for _ in range(random.randint(0, 6)):
            words[random.randrange(len(words))] = random.choice(["red", "old", "new", "tin"])
        texts.append(" ".join(words))
    return texts


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
def test_near_duplicates_are_those_of_an_exact_comparison(threshold: float) -> None:
    texts = sample(400)
    expected = exactly(texts, threshold)
    found = near_duplicates(texts, threshold).tolist()
    assert 10 < sum(expected) < 390
    both = sum(one and other for one, other in zip(found, expected, strict=True))
    assert both >= 0.95 * sum(expected)
    # One that was missed stays, and may then stand for others.
    assert sum(found) - both <= 0.05 * sum(expected)


def test_no_text_is_flagged_without_an_earlier_one_so_similar() -> None:
    texts = sample(120)
    flags = near_duplicates(texts, 0.7).tolist()
    for index, flag in enumerate(flags):
        if flag:
            mine = set(ngrams(texts[index]))
            earlier = [set(ngrams(text)) for text in texts[:index]]
            assert any(len(mine & one) >= 0.7 * len(mine | one) for one in earlier)


def test_case_and_punctuation_do_not_matter_and_the_first_is_kept() -> None:
    texts = ["One two three.", "one, two - THREE", "one two", "", "one two four"]
    assert near_duplicates(texts, 0.7).tolist() == [False, True, False, False, False]
    assert near_duplicates([], 0.7).tolist() == []


def test_a_short_text_is_one_run_of_words() -> None:
    assert ngrams("A b c") == [("a", "b", "c")]
    assert ngrams("a b c d e f") == [tuple("abcde"), tuple("bcdef")]
