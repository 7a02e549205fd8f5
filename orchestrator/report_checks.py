"""Judges what was seen on this machine and on the nodes: Python, packages, clocks, disk, data, GPUs."""

from collections.abc import Mapping
from typing import Any

from orchestrator import disk
from orchestrator.findings import Finding
from orchestrator.offer_checks import gpus as asked_gpus
from orchestrator.probing import Report
from orchestrator.settings import SlurmCluster

# Seconds. What was just submitted counts as on its way for two minutes, by the clock of whoever looks.
CLOCKS_DIFFER, CLOCKS_WRONG = 5.0, 60.0
OLDEST_PYTHON = (3, 11)


def stage(check: str, answer: Mapping[str, Any], python: str | None) -> Finding:
    """Whether the stages start, in a Python that they can use, with all their packages."""
    remedy = f"mend cluster.*.python={python}" if python else "install the project there: pip install -e ."
    if "failed" in answer:
        return Finding(check, f"the stages do not start: {answer['failed']}", "bad", remedy)
    version = tuple(int(part) for part in answer["python"].split(".")[:2])
    missing = [name for name, known in answer["packages"].items() if known is None]
    told = f"Python {answer['python']} ({answer['executable']})"
    if version < OLDEST_PYTHON:
        return Finding(check, told, "bad", "Python 3.11 or newer is needed: set cluster.resources.python")
    if missing:
        return Finding(check, f"{told} lacks {', '.join(missing)}", "bad", remedy)
    packages = ", ".join(f"{name} {answer['packages'][name]}" for name in ("torch", "transformers"))
    return Finding(check, f"{told}, {packages}")


def data(check: str, answer: Mapping[str, Any], n_sources: int) -> list[Finding]:
    """One line for each source that is out of reach."""
    if "failed" in answer or not n_sources:
        return []
    remedy = "put the data where the nodes see it (data.path=PATH), or fetch it once where the hub answers"
    missing = [Finding(check, why, "bad", remedy) for why in answer["out_of_reach"]]
    return missing or [Finding(check, f"{n_sources} tables in reach")]


def gpus(check: str, answer: Mapping[str, Any], asked: int) -> list[Finding]:
    """Whether torch sees GPUs where some were asked for."""
    seen = answer.get("gpus")
    if not asked or seen is None:
        return []
    if seen:
        return [Finding(check, f"torch sees {', '.join(sorted(set(seen)))}")]
    remedy = "install a torch with CUDA in the Python of these stages, or ask for no GPUs"
    return [Finding(check, "GPUs are asked for, and torch sees none", "bad", remedy)]


def node(
    report: Report, cluster: SlurmCluster, here: Mapping[str, Any], needed: float | None, n_sources: int
) -> list[Finding]:
    """What a probe reported. `here`: `clock_ahead` and the packages of this machine's stages."""
    name = report.shape.name
    if report.answer is None:
        return [_no_answer(report)]
    answer, resources = report.answer, report.shape.resources
    place = f"{name}: node {answer['node']}"
    return [
        Finding(f"{place}: folder", "a job wrote there, and it was seen here"),
        disk.judge(f"{place}: disk", answer["free_bytes"], needed),
        _clock(f"{place}: clock", answer["clock_ahead"] - here["clock_ahead"]),
        stage(f"{place}: Python", answer["stage"], resources.python),
        *_versions(f"{place}: versions", answer["stage"], here),
        *data(f"{place}: data", answer["stage"], n_sources),
        *gpus(f"{place}: GPUs", answer["stage"], asked_gpus(resources)),
        _driver(f"{place}: driver", answer, cluster),
    ]


def _no_answer(report: Report) -> Finding:
    check = f"{report.shape.name}: a job of doctor"
    if report.waiting:
        later = "look again with --wait 600, or ask for less; --wait 0 leaves this check out"
        return Finding(check, report.trouble, "warn", later)
    remedy = "see that the nodes have the folder of outputs=PATH and this Python, and that jobs may write"
    return Finding(check, report.trouble, "bad", remedy)


def _clock(check: str, ahead: float) -> Finding:
    told = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    remedy = "ask the site to set the clocks (NTP): jobs that were just submitted may be submitted twice"
    if abs(ahead) > CLOCKS_WRONG:
        return Finding(check, told, "bad", remedy)
    return Finding(check, told, "warn", remedy) if abs(ahead) > CLOCKS_DIFFER else Finding(check, told)


def _versions(check: str, answer: Mapping[str, Any], here: Mapping[str, Any]) -> list[Finding]:
    """Which packages differ from those of this machine, where both are known."""
    known = here.get("packages", {})
    differ = [
        f"{name} {version} ({known[name]} here)"
        for name, version in answer.get("packages", {}).items()
        if version and known.get(name) and version != known[name]
    ]
    if not differ:
        return []
    remedy = "one environment for all stages makes numbers comparable; harmless where this one plans only"
    return [Finding(check, ", ".join(differ), "warn", remedy)]


def _driver(check: str, answer: Mapping[str, Any], cluster: SlurmCluster) -> Finding:
    trouble = answer["queue"] or answer["submission"]
    if trouble is None:
        return Finding(check, "jobs may ask Slurm and submit jobs")
    if cluster.driver is None:
        return Finding(check, f"jobs may not submit jobs ({trouble}); there is no driver")
    remedy = "cluster.driver=null, and `doublings run ... wait=true` where it may stay, or from cron"
    return Finding(check, f"jobs may not submit jobs: {trouble}", "bad", remedy)
