"""Laws with two bends: mmf4, rectified, one break of a broken power law."""

import numpy as np

from analysis.laws.declaration import CurvedLaw, Floats, Parameter, Trust, corners, product_grid

# --- a share that rises from 0 to 1 with the amount, half at `half`: common to mmf4 and rectified --------


def _limits(x: Floats) -> Floats:
    """A half-way amount far below the data makes a power law."""
    wide = np.ones(len(x))
    return corners([x.min(axis=1) - 60, np.log2(0.05) * wide], [x.max(axis=1) + 12, np.log2(8.0) * wide])


def _starts(x: Floats) -> Floats:
    limits = _limits(x)
    limits[:, 0, 0] = x.min(axis=1) - 8
    return product_grid(limits, (15, 9))


def _mmf4_basis(x: Floats, shapes: Floats) -> Floats:
    """Shares above and below half, amount^d and half^d over their sum."""
    half, log_exponent = shapes[..., :1], shapes[..., 1:]
    ratio = np.exp2(np.exp2(log_exponent) * (x - half))
    below = 1 / (1 + ratio)
    return np.stack([ratio * below, below], axis=-1)


MMF4 = CurvedLaw(
    id="mmf4",
    formula="value = (floor * half^exponent + ceiling * amount^exponent) / (half^exponent + amount^exponent)",
    linear=(
        Parameter("ceiling", "the value that unlimited data would reach", level=True),
        Parameter("floor", "the value without any data", level=True),
    ),
    shapes=(
        Parameter("half", "amount at which half the way is gone", unit="amount"),
        Parameter("exponent", "steepness", unit="1"),
    ),
    basis=_mmf4_basis,
    natural=np.exp2,
    limits=_limits,
    starts=_starts,
    derivation=(
        "Morgan-Mercer-Flodin, a logistic curve in the logarithm of the amount; the best extrapolator of LCDB"
        " (Mohr et al. 2022), there (a*b + c*n^d) / (b + n^d) with b = half^d."
    ),
    trust=Trust(accuracy={0: 0.5}, loss={0: 0.5}),
    admits_zero=True,
)


def _rectified_basis(x: Floats, shapes: Floats) -> Floats:
    exponent = np.exp2(shapes[..., 1:])
    inverse = 1 / (np.exp2(exponent * shapes[..., :1]) + np.exp2(exponent * x))
    return np.stack([np.ones_like(inverse), inverse], axis=-1)


def _rectified_natural(coordinates: Floats) -> Floats:
    exponent = np.exp2(coordinates[..., 1])
    return np.stack([np.exp2(exponent * coordinates[..., 0]), exponent], axis=-1)


RECTIFIED = CurvedLaw(
    id="rectified",
    formula="value = asymptote + amplitude / (learned + amount^exponent)",
    linear=(
        Parameter("asymptote", "the value that unlimited data would reach", level=True),
        Parameter("amplitude", "negative for rising values", unit="value * amount^exponent"),
    ),
    shapes=(
        Parameter("learned", "what pre-training has learned, as a power of data", unit="amount^exponent"),
        Parameter("exponent", "how fast the distance shrinks once data is large", unit="1"),
    ),
    basis=_rectified_basis,
    natural=_rectified_natural,
    limits=_limits,
    starts=_starts,
    derivation="Lin et al. (ICML 2024, arXiv 2402.02314): a phase before the power law, set by `learned`.",
    trust=Trust(accuracy={0: 0.5}, loss={0: 0.5}),
    admits_zero=True,
)

# --- one break of a broken neural scaling law -------------------------------------------------------------


def _bnsl1_basis(x: Floats, shapes: Floats) -> Floats:
    first, at, further, log_width = (shapes[..., i : i + 1] for i in range(4))
    width = np.exp2(log_width)
    exponent = -first * x - further * width * np.logaddexp2(0, (x - at) / width)
    return np.stack([np.ones_like(exponent), np.exp2(np.clip(exponent, -300, 300))], axis=-1)


def _bnsl1_natural(coordinates: Floats) -> Floats:
    natural = coordinates.copy()
    natural[..., [1, 3]] = np.exp2(coordinates[..., [1, 3]])
    return natural


def _bnsl1_limits(x: Floats) -> Floats:
    wide = np.ones(len(x))
    low = [0.0 * wide, x.min(axis=1), -2.0 * wide, np.log2(0.05) * wide]
    high = [2.0 * wide, x.max(axis=1), 4.0 * wide, np.log2(4.0) * wide]
    return corners(low, high)


BNSL1 = CurvedLaw(
    id="bnsl1",
    formula=(
        "value = asymptote"
        " + amplitude * amount^-first * (1 + (amount / break)^(1 / width))^(-further * width)"
    ),
    linear=(
        Parameter("asymptote", "the value that unlimited data would reach", level=True),
        Parameter("amplitude", "distance from the asymptote at amount 1, negative for rising values"),
    ),
    shapes=(
        Parameter("first", "exponent below the break", unit="1"),
        Parameter("break", "amount at which the exponent changes", unit="amount"),
        Parameter("further", "what the exponent grows by above the break", unit="1"),
        Parameter("width", "how gradual the break is, in factors of e", unit="1"),
    ),
    basis=_bnsl1_basis,
    natural=_bnsl1_natural,
    limits=_bnsl1_limits,
    starts=lambda x: product_grid(_bnsl1_limits(x), (5, 4, 6, 3)),
    derivation="Caballero et al. (ICLR 2023, arXiv 2210.14891) with one break.",
    trust=Trust(accuracy={0: 0.3}, loss={0: 0.1}),
)

LAWS = (MMF4, RECTIFIED, BNSL1)
