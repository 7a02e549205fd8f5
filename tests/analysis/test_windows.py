import pandas as pd

from analysis.chosen import chosen_json
from analysis.notebook import fit


def auto(rows):
    """The entry of `fits` of the law that forecasts best."""
    return chosen_json(fit(pd.DataFrame(rows), amount="n", value="y", seed="seed", law="auto").found[0])


def test_a_window_describes_the_last_amounts_and_counts_and_warnings_are_about_all():
    """A rise that ends: carrying the last value forward forecasts best."""
    values = {
        100: (0.30, 0.31, 0.29),
        200: (0.35, 0.35, 0.36),
        400: (0.41, 0.43, 0.42),
        800: (0.44, 0.43, 0.44),
    }
    table = [{"n": n, "seed": seed, "y": y} for n, ys in values.items() for seed, y in enumerate(ys)]
    found = auto(table)
    assert (found["law"], found["last_amounts"]) == ("last", 1)
    assert [found[name] for name in ("n_points", "n_amounts", "n_seeds")] == [12, 4, 3]
    assert all(text.startswith("cannot distinguish last") for text in found["warnings"])
    table[1]["y"] = 0.0
    collapsed = auto(table[:-1])
    assert collapsed["last_amounts"] is not None
    assert any(text.startswith("collapsed to 0.0 at amount 100") for text in collapsed["warnings"])
    assert any(text.startswith("unequal chains: 1 of 3") for text in collapsed["warnings"])


def test_runs_alone_at_their_amount_are_not_far_from_anything():
    table = [
        (100, 0.3, 0),
        (100, 0.31, 1),
        (100, 0.29, 2),
        (200, 0.35, 0),
        (400, 0.41, 0),
        (400, 0.43, 1),
        (800, 0.44, 0),
    ]
    rows = [dict(zip(("n", "y", "seed"), row, strict=True)) for row in table]
    found = auto(rows)
    assert (found["law"], found["last_amounts"], found["n_points"]) == ("last", 1, 7)
    assert not any("far from the line" in text for text in found["warnings"])
