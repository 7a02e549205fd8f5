"""Near-duplicates: texts whose word n-grams overlap, found by MinHash and confirmed exactly."""

from array import array
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
BATCH = 4_000  # texts that are hashed together; takes some 10 kB for each

Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]


def near_duplicates(texts: Iterable[str], threshold: float) -> Flags:
    """For each text whether an earlier one that is no near-duplicate itself is at least so similar (Jaccard).

    Memory is that of the n-grams' hashes, 4 bytes each, and of some 500 bytes a text, not of the texts.
    """
    shingles, n_rows = _Shingles(), _rows_per_band(threshold)
    buckets = _buckets([shingles.add(batch, n_rows) for batch in _batches(texts)])
    flags = np.zeros(len(shingles), dtype=np.bool_)
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


class _WordHashes(dict[str, int]):
    """64 bits for each word, computed when it is first met."""

    def __missing__(self, word: str) -> int:
        self[word] = int.from_bytes(blake2b(word.encode(), digest_size=8).digest())
        return self[word]


class _Shingles:
    """The n-grams of many texts, as hashes of 32 bits, a batch of texts one behind the other."""

    def __init__(self) -> None:
        self._words = _WordHashes()
        self._hashes: list[npt.NDArray[np.uint32]] = []
        self._starts: list[npt.NDArray[np.uint64]] = []

    def __len__(self) -> int:
        return sum(len(starts) - 1 for starts in self._starts)

    def add(self, texts: Sequence[str], rows_per_band: int) -> Hashes:
        """Take a batch in, full unless it is the last; the hashes of its bands, a row for each text."""
        flat, ends = _sets(*self._words_in(texts))
        starts = np.concatenate([[0], ends]).astype(np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(flat, starts, N_PERMUTATIONS, HASH_SEED)
        self._hashes.append(flat.astype(np.uint32))
        self._starts.append(starts)
        return _banded(np.array(matrix.to_rows(), dtype=np.uint64), rows_per_band)

    def any_similar(self, text: int, others: Iterable[int], threshold: float) -> bool:
        mine = set(self._of(text).tolist())
        for other in others:
            theirs = self._of(other)
            # The overlap is at most the smaller set, and the union at least the larger.
            if min(len(mine), len(theirs)) < threshold * max(len(mine), len(theirs)):
                continue
            shared = len(mine.intersection(theirs.tolist()))
            if shared >= threshold * (len(mine) + len(theirs) - shared):
                return True
        return False

    def _of(self, text: int) -> npt.NDArray[np.uint32]:
        batch, place = divmod(text, BATCH)
        start, end = self._starts[batch][place : place + 2]
        return self._hashes[batch][start:end]

    def _words_in(self, texts: Sequence[str]) -> tuple[Hashes, npt.NDArray[np.int64]]:
        """The hashes of all words, and how many each text has: at least those of one n-gram."""
        words, lengths = array("Q"), []
        for text in texts:
            begun = len(words)
            words.extend(map(self._words.__getitem__, words_of(text)))
            # A text that is too short, or empty, is filled up; a filler is no word.
            words.extend([0] * (begun + N_WORDS - len(words)))
            lengths.append(len(words) - begun)
        return np.frombuffer(words, dtype=np.uint64), np.array(lengths)


def _sets(flat: Hashes, lengths: npt.NDArray[np.int64]) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """The n-grams of texts given by hashes of their words, each once in a text, and where each text ends."""
    owners = np.repeat(np.arange(len(lengths)), lengths)
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
    return runs[new], np.cumsum(np.bincount(owners[new], minlength=len(lengths)))


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


def _buckets(batches: Sequence[Hashes]) -> npt.NDArray[np.int32]:
    """For each text and band the number of its bucket, -1 where it is alone there."""
    shape = (sum(map(len, batches)), batches[0].shape[1] if batches else 0)
    buckets = np.full(shape, -1, dtype=np.int32)
    n_buckets = 0
    for band in range(shape[1]):
        hashes = np.concatenate([batch[:, band] for batch in batches])
        _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        shared = counts > 1
        numbers = np.where(shared, np.cumsum(shared) - 1 + n_buckets, -1).astype(np.int32)
        buckets[:, band] = numbers[inverse]
        n_buckets += int(shared.sum())
    return buckets


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    left = iter(texts)
    while batch := list(islice(left, BATCH)):
        yield batch
