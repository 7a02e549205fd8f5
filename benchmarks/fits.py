"""Laws and forecasts against what is published: `python benchmarks/fits.py FOLDER [PART ...]`.

FOLDER holds `fine_tuning/flan.csv`, `fine_tuning/wmt19.csv` (Lin et al. 2024) and `published_points.csv`
(Yuan et al. 2023). Parts: fine_tuning, lcdb, yuan, speed. LCDB comes with `pip install --no-deps lcdb==0.1.0`
(its tables are part of the package); without it that part says so and is left out.
"""

import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from analysis.averages import Averages, averages
from analysis.bootstrap import bootstrapped
from analysis.chosen import Wishes, chosen
from analysis.curve import curve
from analysis.fitting import Runs
from analysis.forecast import Choice, choose
from analysis.laws import LAWS, LOGLINEAR
from analysis.metric import ACCURACY, LOSS
from analysis.problems import Problems
from analysis.projection import optimise
from analysis.searched import bounds_of
from analysis.tidy import PERCENT, Columns, Group, accuracy_groups

PUBLISHED_RMSD = {"flan": 0.006478, "wmt19": 0.012277}
SEEN, TARGET = 204_800, 1_638_400
LCDB_CURVES, LCDB_SEED, LCDB_FACTOR, FEWEST_ANCHORS = 400, 11, 4, 10
GROUPS = 1000


def fine_tuning(folder: Path) -> None:
    """The rectified law on all amounts, and forecasts over a factor of eight."""
    errors: dict[str, list[np.ndarray]] = {"auto": [], "line through the last four": [], "carry last": []}
    print(
        "fine-tuning losses: mean RMSD of logarithms of the rectified law; RMS log error at 8 times the data"
    )
    for name, published in PUBLISHED_RMSD.items():
        table = pd.read_csv(folder / "fine_tuning" / f"{name}.csv")
        amounts = np.array([int(column) for column in table.columns if column.isdigit() and int(column) > 0])
        losses = table[[str(amount) for amount in amounts]].to_numpy(dtype=float)
        seen = amounts <= SEEN
        groups = [averages(amounts[seen].astype(float), row[seen], log_scale=True) for row in losses]
        truth = np.log(losses[:, amounts == TARGET][:, 0])
        found = {
            "auto": np.array(
                [np.log(one.at(np.array([float(TARGET)]))[0].estimate) for one in choices(groups, LOSS)]
            ),
            "line through the last four": np.array([last_line(amounts[seen], row[seen]) for row in losses]),
            "carry last": np.log(losses[:, seen][:, -1]),
        }
        rmsd = rectified_rmsd(amounts.astype(float), losses)
        for method, values in found.items():
            errors[method].append(values - truth)
        shown = ", ".join(f"{method} {rms(values[-1]):.4f}" for method, values in errors.items())
        print(f"  {name}: rectified {rmsd:.6f} (published {published:.6f}); {shown}")
    shown = ", ".join(f"{method} {rms(np.concatenate(values)):.4f}" for method, values in errors.items())
    print(f"  both: {shown}")


def rectified_rmsd(amounts: np.ndarray, losses: np.ndarray) -> float:
    """Mean over the curves of the root mean square residual of logarithms."""
    law = LAWS["rectified"]
    x = np.tile(np.log2(amounts), (len(losses), 1))
    optima = optimise(law, Problems(x, losses, np.log(losses), np.ones_like(losses)), bounds_of(law, LOSS))
    return float(np.sqrt(optima.objective / len(amounts)).mean())


def last_line(amounts: np.ndarray, losses: np.ndarray) -> float:
    """Log loss at the target by a straight line through the last four points in logarithms."""
    slope, intercept = np.polyfit(np.log(amounts[-4:]), np.log(losses[-4:]), 1)
    return float(intercept + slope * np.log(TARGET))


def lcdb(_: Path) -> None:
    """A fixed sample of learning curves: the last anchor from those up to a quarter of it."""
    package = find_spec("lcdb")
    if package is None or not package.submodule_search_locations:
        print("LCDB: not installed; pip install --no-deps lcdb==0.1.0")
        return
    source = Path(package.submodule_search_locations[0]) / "database-accuracy.csv"
    table = pd.read_csv(source, usecols=["openmlid", "learner", "size_train", "score_test"])
    means = table.groupby(["openmlid", "learner", "size_train"])["score_test"].mean()
    curves = [
        (one.index.get_level_values("size_train").to_numpy(dtype=float), one.to_numpy() * PERCENT)
        for _, one in means.groupby(["openmlid", "learner"])
    ]
    usable = [one for one in curves if len(one[0]) >= FEWEST_ANCHORS and np.ptp(one[1]) > 0]
    places = np.random.default_rng(LCDB_SEED).permutation(len(usable))[:LCDB_CURVES]
    sample = [usable[place] for place in places]
    seen = [amounts <= amounts[-1] / LCDB_FACTOR for amounts, _ in sample]
    groups = [
        averages(amounts[keep], values[keep], log_scale=False)
        for (amounts, values), keep in zip(sample, seen, strict=True)
    ]
    rows = []
    inside = 0
    for (amounts, values), one in zip(sample, choices(groups, ACCURACY), strict=True):
        forecast = one.at(amounts[-1:])[0]
        inside += forecast.low <= values[-1] <= forecast.high
        rows.append([abs(value - values[-1]) for value in (forecast.estimate, *single(one, amounts[-1:]))])
    errors = np.array(rows)
    names = ["auto", "mmf4", "carry last", "power", "loglinear"]
    ranks = rankdata(errors[:, :3], axis=1).mean(axis=0)
    print(f"LCDB: {len(sample)} curves, last anchor from those up to 1/{LCDB_FACTOR} of it, points")
    for place, name in enumerate(names):
        rank = f"mean rank {ranks[place]:.2f} of 3, " if place < 3 else ""
        error = errors[:, place]
        print(f"  {name}: {rank}mean error {np.nanmean(error):.2f}, median {np.nanmedian(error):.2f}")
    print(f"  95 % intervals of auto hold {inside / len(sample):.1%}")


def single(choice: Choice, amount: np.ndarray) -> list[float]:
    """What single laws forecast from all amounts."""
    values = choice.values(amount)[:, 0]
    found = {
        trial.candidate.law.id: value
        for trial, value in zip(choice.tried, values, strict=True)
        if trial.candidate.last_amounts == 0
    }
    return [found.get(name, np.nan) for name in ("mmf4", "last", "power", "loglinear")]


def yuan(folder: Path) -> None:
    """Points per doubling of supervised fine-tuning on GSM8K, for each model and convention."""
    table = pd.read_csv(folder / "published_points.csv")
    table = table[(table["figure_or_table"] == "Table 5") & table["strategy"].str.startswith("SFT")]
    columns = Columns("amount", "value_percent", ("strategy", "model"), (), "n_test_items")
    print("Yuan et al. Table 5: points per doubling (95 % interval), runs; without the collapsed ones")
    for group in accuracy_groups(table, columns, PERCENT):
        fitted = curve(group.key, group.runs, LOGLINEAR, ACCURACY, group.notes)
        slope = fitted.fit.parameters["per_doubling"]
        text = f"{slope.estimate:.2f} ({slope.low:.2f} to {slope.high:.2f}), {len(group.runs.values)}"
        collapsed = [note for note in fitted.warnings if note.startswith("collapsed")]
        if collapsed:
            rest = curve(
                group.key, group.runs.take(np.flatnonzero(group.runs.values > 0)), LOGLINEAR, ACCURACY
            )
            without = rest.fit.parameters["per_doubling"]
            text += f"; without: {without.estimate:.2f} ({without.low:.2f} to {without.high:.2f})"
        print(f"  {group.key['strategy']}, {group.key['model']}: {text}")
        for note in collapsed:
            print(f"    {note}")


def speed(_: Path) -> None:
    """1,000 groups of 6 amounts x 3 seeds, CPU seconds of one core."""
    generator = np.random.default_rng(0)
    amounts = np.repeat(2.0 ** np.arange(6, 12), 3)
    groups = [
        Group(
            {"g": place},
            Runs(
                amounts,
                80 - 120 * amounts**-0.35 + generator.normal(size=18),
                np.tile(np.arange(3), 6),
                [f"run {run}" for run in range(18)],
            ),
            (),
        )
        for place in range(GROUPS)
    ]
    start = time.process_time()
    for group in groups:
        curve(group.key, group.runs, LOGLINEAR, ACCURACY)
    line = time.process_time()
    found = list(chosen(groups, ACCURACY, None, Wishes((4096.0, 16384.0))))
    auto = time.process_time()
    bent = [one.curve.fit for one in found if one.curve.fit.searched is not None][:100]
    again = time.process_time()
    for fit in bent:
        bootstrapped(fit, 1000)
    print(f"speed: {GROUPS} groups of 6 amounts x 3 seeds, CPU seconds")
    print(f"  log-linear: {line - start:.2f}")
    print(f"  auto (all laws, windows and held-out amounts, profile intervals, verdict): {auto - line:.1f}")
    print(f"  bootstrap, 1,000 refits: {(time.process_time() - again) / len(bent):.3f} a group")


def choices(groups: list[Averages], metric) -> list[Choice]:
    """One choice for each group; all of them can be fitted."""
    return [one for one in choose(groups, metric) if one is not None]


def rms(errors: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(errors))))


PARTS = {"fine_tuning": fine_tuning, "lcdb": lcdb, "yuan": yuan, "speed": speed}

if __name__ == "__main__":
    for part in sys.argv[2:] or PARTS:
        PARTS[part](Path(sys.argv[1]))
