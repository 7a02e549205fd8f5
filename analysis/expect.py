"""What planned curves will show, asked by a plan before anything runs: `python -m analysis.expect`.

It stands outside the other commands because a plan should not wait for the figures to be imported.
"""

import sys
from pathlib import Path

from pydantic import ValidationError

from analysis.measured import measured_in_study
from analysis.metric import ACCURACY, METRICS, POINTS_PER_FRACTION, THIS_BENCHMARK, Metric
from analysis.power import POWER, Design, Scatter, half_width, smallest_difference
from analysis.study import read_study
from orchestrator.expectation import Expectation, Expected, Planned
from orchestrator.refusal import Refused

REFUSED = 2


def expected(planned: Planned) -> Expectation:
    """The expectation of each design, with the scatter that the study's records show, or an assumed one."""
    metric = METRICS[planned.metric]
    scatter, basis = _scatter(planned, metric)
    designs = (Design(design.amounts, design.seeds) for design in planned.designs)
    return Expectation(
        unit=metric.unit,
        target=THIS_BENCHMARK,
        basis=basis,
        run_sd=scatter.run_sd,
        power=POWER,
        designs=tuple(_expected(design, scatter) for design in designs),
    )


def _expected(design: Design, scatter: Scatter) -> Expected:
    if len(design.amounts) < 2:
        return Expected(half_width=None, smallest_difference=None)
    return Expected(
        half_width=half_width(design, scatter), smallest_difference=smallest_difference(design, scatter)
    )


def _scatter(planned: Planned, metric: Metric) -> tuple[Scatter, str]:
    """What is known best, and in words where from."""
    if planned.study is not None:
        try:
            variance = measured_in_study(read_study(Path(planned.study))).variance
        except Refused:
            variance = None
        if variance is not None and variance.run_sd > 0:
            return variance.scatter, "as the records of this study scatter"
    if metric is ACCURACY and planned.n_items is not None:
        binomial = POINTS_PER_FRACTION**2 / 4
        basis = f"if runs scatter as {planned.n_items:,} items answered at random, half of them right"
        return Scatter(0.0, binomial, float(planned.n_items)), basis
    return Scatter(metric.resolution), f"if runs scatter by {metric.resolution:g} {metric.unit}"


def main() -> None:
    """Read what is planned on stdin, write the expected intervals to stdout (`orchestrator.expectation`).

    What is no plan ends with one sentence on stderr and exit code 2.
    """
    try:
        planned = Planned.model_validate_json(sys.stdin.read())
    except ValidationError as error:
        sys.stderr.write(f"stdin holds no plan to look ahead of: {' '.join(str(error).split())}\n")
        sys.exit(REFUSED)
    sys.stdout.write(expected(planned).model_dump_json() + "\n")


if __name__ == "__main__":
    main()
