"""How far queries lie from others: coverage, maximum mean discrepancy, what a classifier can tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

# Queries of each side that the two-sample statistics look at; they take time with the square of it.
SAMPLE = 500
PERMUTATIONS = 500
TOPICS = 50  # dimensions that texts are brought down to where distances are taken between all of them
FOLDS = 5
# Words in letters: numbers alone must not tell problems apart.
WORDS = r"(?u)\b[^\W\d_]{2,}\b"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """From the queries of a pool to those of a benchmark.

    `coverage`: mean over the benchmark's queries of the cosine to the nearest of the pool's (1: each is
    there). `mmd`: squared maximum mean discrepancy, unbiased (Gretton et al. 2012, eq. 3), Gaussian kernel of
    median width; `mmd_p`: its p-value by permutation. `auc`: of a classifier that tells pool from benchmark,
    cross-validated (0.5: it cannot).
    """

    n_pool: int
    n_benchmark: int
    coverage: float
    mmd: float
    mmd_p: float
    auc: float


class Features(Protocol):
    """Texts as numbers, by whatever is to make them alike."""

    def rows(self, texts: Sequence[str]) -> csr_matrix | Floats:
        """A row of unit length for each text."""

    def topics(self, texts: Sequence[str]) -> Floats:
        """The same in few dimensions."""


class Words:
    """Words weighted by TF-IDF as they are distributed in given texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._words = TfidfVectorizer(token_pattern=WORDS, sublinear_tf=True, min_df=2)
        weighted = self._words.fit_transform(texts)
        self._topics = topics_of(weighted)

    def rows(self, texts: Sequence[str]) -> csr_matrix:
        """A row of unit length for each text."""
        weighted: csr_matrix = self._words.transform(texts)
        return weighted

    def topics(self, texts: Sequence[str]) -> Floats:
        """The same in few dimensions."""
        reduced: Floats = self._topics.transform(self.rows(texts))
        return reduced


def topics_of(rows: csr_matrix | Floats) -> TruncatedSVD:
    """What brings rows like these down to few dimensions."""
    n_topics = max(2, min(TOPICS, min(rows.shape) - 1))
    return TruncatedSVD(n_topics, random_state=0).fit(rows)


def distance(features: Features, pool: Sequence[str], benchmark: Sequence[str], seed: int = 0) -> Distance:
    """Coverage of the whole benchmark by the whole pool; the rest from samples of both."""
    random = np.random.default_rng(seed)
    one, other = (features.topics(_sample(texts, random)) for texts in (pool, benchmark))
    mmd, p_value = _discrepancy(one, other, random)
    coverage = _coverage(features.rows(pool), features.rows(benchmark))
    return Distance(len(pool), len(benchmark), coverage, mmd, p_value, _auc(one, other))


def places(features: Features, texts: Sequence[str], *, by_neighbours: bool) -> Floats:
    """A point in the plane for each text, by t-SNE, which keeps neighbours, or by PCA."""
    topics = features.topics(texts)
    if by_neighbours:
        perplexity = min(30.0, (len(texts) - 1) / 3)
        points: Floats = TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(topics)
    else:
        points = PCA(2, random_state=0).fit_transform(topics)
    return points.astype(np.float64)


def _sample(texts: Sequence[str], random: np.random.Generator) -> list[str]:
    chosen = random.permutation(len(texts))[:SAMPLE]
    return [texts[index] for index in sorted(chosen)]


def _coverage(pool: csr_matrix | Floats, benchmark: csr_matrix | Floats) -> float:
    nearest = np.zeros(benchmark.shape[0])
    for start in range(0, benchmark.shape[0], 256):
        similar: Any = benchmark[start : start + 256] @ pool.T
        best = similar.max(axis=1)
        nearest[start : start + 256] = (best.toarray() if hasattr(best, "toarray") else best).ravel()
    return float(nearest.mean())


def _discrepancy(one: Floats, other: Floats, random: np.random.Generator) -> tuple[float, float]:
    """Squared MMD, and the share of relabellings (this one among them) with at least as much."""
    both = np.concatenate([one, other])
    squared = cdist(both, both, "sqeuclidean")
    width = np.median(squared[np.triu_indices(len(both), 1)])
    kernel = np.exp(-squared / max(width, np.finfo(float).tiny))
    np.fill_diagonal(kernel, 0.0)
    labels = np.arange(len(both)) < len(one)
    found = _mmd(kernel, labels)
    others = [_mmd(kernel, random.permutation(labels)) for _ in range(PERMUTATIONS)]
    n_as_much = sum(other >= found for other in others)
    return found, (1 + n_as_much) / (1 + PERMUTATIONS)


def _mmd(kernel: Floats, labels: npt.NDArray[np.bool_]) -> float:
    n_one, n_other = labels.sum(), (~labels).sum()
    rows = kernel[labels].sum(axis=0)
    within_one, across = rows[labels].sum(), rows[~labels].sum()
    within_other = kernel.sum() - within_one - 2 * across
    mean_one = within_one / max(n_one * (n_one - 1), 1)
    mean_other = within_other / max(n_other * (n_other - 1), 1)
    return float(mean_one + mean_other - 2 * across / (n_one * n_other))


def _auc(one: Floats, other: Floats) -> float:
    values = np.concatenate([one, other])
    labels = np.arange(len(values)) < len(one)
    n_folds = min(FOLDS, len(one), len(other))
    if n_folds < 2:
        return float("nan")
    classifier = LogisticRegression(max_iter=1000, class_weight="balanced")
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
    scores = cross_val_predict(classifier, values, labels, cv=folds, method="decision_function")
    return float(roc_auc_score(labels, scores))
