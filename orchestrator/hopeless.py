"""When a run is ended because whatever it still does would fail alike."""

from collections import Counter
from pathlib import Path

from orchestrator import triage
from orchestrator.files import write_text
from orchestrator.ledger import Ledger
from orchestrator.note import stop_file


def stop_when_hopeless(ledger: Ledger, run_folder: Path, cause: str, limit: int) -> None:
    """Many failures of one cause are one mistake, and so is one that all others would meet."""
    known = [ledger.failures.of(key) for key in ledger.failures.failed()]
    causes = Counter(failure["cause"] for failure in known if failure and failure["run"] == run_folder.name)
    policy = triage.policy(cause)
    if causes[cause] >= (1 if policy.stops_run else limit) and not policy.alone:
        times = f"{causes[cause]} failures of one cause" if causes[cause] > 1 else "a failure"
        write_text(stop_file(run_folder), f"stopped after {times}: {cause}")


def stop_where_nothing_begins(run_folder: Path, n_jobs: int, log: Path, last_words: str) -> None:
    """Jobs that all end before a worker begins share a mistake: in set-up lines, the Python, the account."""
    said = last_words.strip().splitlines()[-1:] or ["nothing"]
    write_text(
        stop_file(run_folder),
        f"stopped: {n_jobs} jobs ended before a worker began; the last words of one: {said[0]} (log: {log}); "
        f"correct conf/cluster or the cluster.* overrides, then run again",
    )
