"""What became of all that was asked for and offered on the way to each pool, as the manifests have it."""

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.grids import Grid
from analysis.study import Study

ASKED, KEPT = ("queries asked", "paths asked"), "kept"
ALL = "all"  # operations together


def yields(study: Study) -> Grid:
    """A row for each operation of each pool: an uneven yield confounds strategy with amount."""
    head = ("pool", "operation", "queries asked", "paths asked", "kept", "lost")
    rows = [row for pool, summary in _summaries(study) for row in _rows(pool, summary)]
    return Grid(head, tuple(rows), 2)


def parts(study: Study) -> Grid:
    """A row for each part of each mixture."""
    head = ("mixture", "part", "share of each amount", "rows", "queries", "rows of earlier parts")
    rows = [
        (
            name,
            part,
            f"{told['share']:.1%}",
            *(f"{told[count]:,}" for count in ("n_rows", "n_queries", "n_in_earlier_parts")),
        )
        for name, summary in _summaries(study)
        for part, told in summary.get("parts", {}).items()
    ]
    return Grid(head, tuple(rows), 2)


def _summaries(study: Study) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Of the pools that are made, by name."""
    found = [
        (artifact["label"], study.manifests[key]["summary"])
        for key, artifact in study.artifacts.items()
        if artifact["kind"] == "pool" and key in study.manifests
    ]
    yield from sorted(found, key=lambda one: one[0])


def _rows(pool: str, summary: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """What a model wrote by operation, then what was turned down of the rows that were offered."""
    for operation, counts in summary.get("yield", {}).items():
        lost = {name: n for name, n in counts.items() if name not in (*ASKED, KEPT)}
        asked = (f"{counts[name]:,}" if name in counts else "" for name in ASKED)
        yield (pool, operation, *asked, f"{counts.get(KEPT, 0):,}", _told(lost))
    yield (pool, ALL, "", "", f"{summary['n_rows']:,}", _told(summary["removed"]))


def _told(lost: Mapping[str, int]) -> str:
    """The commonest reason first."""
    ordered = sorted(lost.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{reason} {n:,}" for reason, n in ordered if n)
