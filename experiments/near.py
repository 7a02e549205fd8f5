"""Near-duplicates: texts whose word n-grams overlap, found by MinHash and confirmed exactly."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from experiments.text import words_of

N_WORDS = 5  # of an n-gram
N_PERMUTATIONS, HASH_SEED = 128, 0
# Of two texts just as similar as the threshold, how many are to become candidates.
RECALL = 0.995
# Kept texts of a bucket that a new one is compared with. Texts of one mould fill buckets with thousands.
COMPARED = 16
BATCH = 20_000

Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]


def near_duplicates(texts: Iterable[str], threshold: float) -> Flags:
    """For each text whether an earlier one that is no near-duplicate itself is at least so similar (Jaccard).

    Memory is that of the n-grams' hashes, 4 bytes each, and of some 500 bytes a text, not of the texts.
    """
    shingles, n_rows = _Shingles(), _rows_per_band(threshold)
    bands = [shingles.add(batch, n_rows) for batch in _batches(texts)]
    flags = np.zeros(len(shingles), dtype=np.bool_)
    if not len(shingles):
        return flags
    buckets = _buckets(np.concatenate(bands))
    kept: dict[int, list[int]] = {}
    for text in np.flatnonzero((buckets >= 0).any(axis=1)).tolist():
        mine = buckets[text][buckets[text] >= 0].tolist()
        others = {other for bucket in mine for other in kept.get(bucket, ())}
        if shingles.any_similar(text, others, threshold):
            flags[text] = True
            continue
        for bucket in mine:
            members = kept.setdefault(bucket, [])
            if len(members) < COMPARED:
                members.append(text)
    return flags


class _Shingles:
    """The n-grams of many texts, as hashes of 32 bits that lie one behind the other."""

    def __init__(self) -> None:
        self._words: dict[str, int] = {}
        self._hashes: list[npt.NDArray[np.uint32]] = []

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, texts: Sequence[str], rows_per_band: int) -> Hashes:
        """Take texts in; the hashes of their bands, a row for each text."""
        words = [[self._word(word) for word in words_of(text)] for text in texts]
        flat, ends = _sets(words)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            flat, np.concatenate([[0], ends]).astype(np.uint64), N_PERMUTATIONS, HASH_SEED
        )
        # Not split for good: the pieces are views, and share the memory of the batch.
        self._hashes.extend(np.split(flat.astype(np.uint32), ends[:-1]))
        return _banded(np.array(matrix.to_rows(), dtype=np.uint64), rows_per_band)

    def _word(self, word: str) -> int:
        if word not in self._words:
            self._words[word] = int.from_bytes(blake2b(word.encode(), digest_size=8).digest())
        return self._words[word]

    def any_similar(self, text: int, others: Iterable[int], threshold: float) -> bool:
        mine = set(self._hashes[text].tolist())
        for other in others:
            theirs = self._hashes[other]
            # The overlap is at most the smaller set, and the union at least the larger.
            if min(len(mine), len(theirs)) < threshold * max(len(mine), len(theirs)):
                continue
            shared = len(mine.intersection(theirs.tolist()))
            if shared >= threshold * (len(mine) + len(theirs) - shared):
                return True
        return False


def _sets(texts: Sequence[Sequence[int]]) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """The n-grams of texts given by hashes of their words, each once in a text, and where each text ends."""
    # A text that is too short, or empty, is filled up; a filler is no word.
    padded = [[*words, *[0] * (N_WORDS - len(words))] for words in texts]
    flat = np.array([word for words in padded for word in words], dtype=np.uint64)
    lengths = np.array([len(words) for words in padded])
    owners = np.repeat(np.arange(len(texts)), lengths)
    n_runs = len(flat) - N_WORDS + 1
    runs = np.zeros(n_runs, dtype=np.uint64)
    for place in range(N_WORDS):
        runs = _mixed(runs, flat[place : place + n_runs])
    # The last word of a run has to be of the same text as the first.
    inside = owners[:n_runs] == owners[N_WORDS - 1 :]
    runs, owners = runs[inside], owners[:n_runs][inside]
    order = np.lexsort((runs, owners))
    runs, owners = runs[order], owners[order]
    new = np.concatenate([[True], (runs[1:] != runs[:-1]) | (owners[1:] != owners[:-1])])
    return runs[new], np.cumsum(np.bincount(owners[new], minlength=len(texts)))


def _rows_per_band(threshold: float) -> int:
    """As many as still make candidates of enough pairs at the threshold: the fewer, the more are compared."""
    enough = [
        rows for rows in range(1, 17) if 1 - (1 - threshold**rows) ** (N_PERMUTATIONS // rows) >= RECALL
    ]
    return max(enough, default=1)


def _banded(digests: Hashes, rows_per_band: int) -> Hashes:
    """One hash for each band of rows of a signature."""
    n_bands = N_PERMUTATIONS // rows_per_band
    bands = np.zeros((len(digests), n_bands), dtype=np.uint64)
    for row in range(rows_per_band):
        bands = _mixed(bands, digests[:, row : n_bands * rows_per_band : rows_per_band])
    return bands


def _mixed(state: Hashes, value: Hashes) -> Hashes:
    """A hash of both in this order by the finisher of splitmix64 (Steele et al. 2014), overflowing."""
    mixed = (state + np.uint64(0x9E3779B97F4A7C15)) ^ value
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _buckets(bands: Hashes) -> npt.NDArray[np.int32]:
    """For each text and band the number of its bucket, -1 where it is alone there."""
    buckets = np.full(bands.shape, -1, dtype=np.int32)
    n_buckets = 0
    for band in range(bands.shape[1]):
        _, inverse, counts = np.unique(bands[:, band], return_inverse=True, return_counts=True)
        shared = counts > 1
        numbers = np.where(shared, np.cumsum(shared) - 1 + n_buckets, -1).astype(np.int32)
        buckets[:, band] = numbers[inverse]
        n_buckets += int(shared.sum())
    return buckets


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    left = iter(texts)
    while batch := list(islice(left, BATCH)):
        yield batch
