"""`run`: plan on disk, jobs for what is missing, then watched until done; and what is said at the end."""

import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from platform import machine, platform, processor, python_version
from typing import Any, Protocol

from rich.console import Console

from orchestrator import audit, disk, snapshot, validation
from orchestrator.cluster import SlurmRun
from orchestrator.files import write_text
from orchestrator.ledger import State
from orchestrator.local import LocalRun
from orchestrator.note import Note, stop_file
from orchestrator.prepare import Prepared
from orchestrator.progress import Snapshot, View, duration, size
from orchestrator.references import Reference
from orchestrator.refusal import Refused
from orchestrator.retention import Sweeper
from orchestrator.saved import LOST, URGENCY, Saved
from orchestrator.settings import Keep, Settings
from orchestrator.study import save_cells, save_plan

LAST_WORDS = 5  # lines
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pyarrow", "datasets", "submitit", "hydra-core")


class Run(Protocol):
    """Jobs for what is missing of a study, on this machine or on a cluster."""

    poll: float  # seconds between two looks

    def begin(self, view: View) -> None:
        """Start the jobs."""

    def started(self) -> str:
        """What a person hears who does not wait."""

    def over(self, states: Mapping[str, State], view: View) -> bool:
        """Whether nothing is left to do; what was lost is started again."""

    def interrupted(self, view: View) -> bool:
        """Ctrl-C was pressed; whether watching ends."""


def run(prepared: Prepared, console: Console) -> int:
    """Make what is missing; 0 if every cell is complete then (or is on its way), 1 otherwise."""
    if prepared.to_make:
        disk.refuse_too_small(prepared.outputs, prepared.need)
    number, replaced = save_plan(prepared.study, prepared.document())
    saved = Saved.of(prepared.study, number, prepared.document(), prepared.pace)
    with View(console) as view:
        _announce(prepared, number, replaced, view)
        note = None
        sweeper = sweeper_of(saved, prepared.settings.keep)
        if not prepared.to_make:
            retain(sweeper, view)
        else:
            # What is tried again by itself keeps what it has learnt.
            for key in prepared.ledger.failures.failed() & prepared.to_make.keys():
                prepared.ledger.forget(key)
            note = new_note(saved, prepared.settings, snapshot.take(prepared.study.code))
            if not make(saved, note, view):
                return 0
    return conclude(saved, note, console)


def make(saved: Saved, note: Note, view: View) -> bool:
    """Start the jobs of a run; whether they were waited for."""
    note.write()
    cluster = note.settings.cluster
    this: Run = LocalRun(saved, note, cluster) if cluster.kind == "local" else SlurmRun(saved, note, cluster)
    try:
        this.begin(view)
    except KeyboardInterrupt:
        if this.interrupted(view):
            view.say(this.started())
            return True
    wait = note.settings.wait if note.settings.wait is not None else cluster.kind == "local"
    if wait:
        _follow(this, saved, view, sweeper_of(saved, note.settings.keep))
    else:
        view.say(f"{this.started()}; `doublings status {note.study} --watch`")
    return wait


def new_note(saved: Saved, settings: Settings, code: snapshot.Snapshot, like: Note | None = None) -> Note:
    """What the jobs of a new run are told; with `like`, the commit is that of an earlier run of that code."""
    commit, dirty = snapshot.commit()
    origin = {"git_commit": commit, "git_dirty": dirty}
    if like is not None and like.provenance["code"] == code.digest:
        origin = {name: like.provenance[name] for name in origin}
    return Note(
        run=f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        outputs=str(saved.study.outputs),
        study=saved.study.name,
        plan=saved.number,
        settings=settings,
        order=(),
        devices=(),
        python=sys.executable,
        code=str(code.folder),
        pace=saved.pace,
        provenance={"code": code.digest, "cluster": settings.cluster.name, **origin, **_software()},
    )


def sweeper_of(saved: Saved, keep: Keep) -> Sweeper:
    """Who evicts weights of this study."""
    return Sweeper(saved.ledger, saved.study.outputs, Reference.of(saved.study.name, saved.document, keep))


def retain(sweeper: Sweeper, view: View) -> None:
    """Evict what can be evicted now; where it cannot be known what is still needed, everything stays."""
    try:
        freed = (sweeper.end_what_was_begun(), sweeper.sweep())
    except Refused as refusal:
        view.say_once(f"all weights stay: {refusal}")
        return
    except OSError as error:
        view.say_once(f"weights that are not kept could not be freed now: {error}")
        return
    if n_checkpoints := sum(len(each.keys) for each in freed):
        n_bytes = size(sum(each.n_bytes for each in freed))
        view.say(f"freed {n_bytes}, the weights of {n_checkpoints} checkpoints (keep)")


def _follow(this: Run, saved: Saved, view: View, sweeper: Sweeper) -> None:
    """Until nothing is left to do, or somebody presses Ctrl-C."""
    pace = _Pace(saved)
    while True:
        try:
            states = saved.states()
            view.show(pace.snapshot(states))
            over = this.over(states, view)
            if over or sweeper.due:
                retain(sweeper, view)
            if over:
                return
            time.sleep(this.poll)
        except KeyboardInterrupt:
            if this.interrupted(view):
                return


@dataclass
class _Pace:
    """How far a run is, from one look to the next."""

    saved: Saved
    _records: frozenset[str] = frozenset()
    _last: str = ""

    def snapshot(self, states: Mapping[str, State]) -> Snapshot:
        """What a view shows."""
        seconds = self.saved.seconds
        holders = self.saved.ledger.leases.live()
        running = {key: holders[key] for key in states if key in holders}
        half_done = sum(seconds[key] * holder.get("progress", 0.0) for key, holder in running.items())
        complete = [key for key, state in states.items() if state == State.COMPLETE]
        cells = self.saved.cell_states(states)
        return Snapshot(
            cells_done=cells.count(State.COMPLETE),
            cells=len(cells),
            seconds_done=sum(seconds[key] for key in complete) + half_done,
            seconds_in_all=sum(seconds.values()),
            running=tuple(running.values()),
            failed=sum(cells.count(state) for state in LOST),
            last=self._newest_result(frozenset(complete)),
        )

    def _newest_result(self, complete: frozenset[str]) -> str:
        artifacts = self.saved.artifacts
        records = frozenset(key for key in complete if artifacts[key].kind == "record")
        new = records - self._records
        if new and self._records:
            key = next(iter(new))
            summary = self.saved.ledger.store.manifest("record", key)["summary"]
            accuracy = 100 * summary["n_correct"] / (summary["n_items"] * summary["n_samples"])
            self._last = f"{artifacts[key].label}: {accuracy:.1f} %"
        self._records = records
        return self._last


def _announce(prepared: Prepared, number: int, replaced: Mapping[str, Any] | None, view: View) -> None:
    for note in prepared.notes:
        view.say(f"note: {note}")
    if replaced:
        view.say(difference(replaced, prepared.document()))
    to_make = prepared.to_make
    if not to_make:
        view.say(
            f"nothing to make: all {len(prepared.plan.cells)} cells of '{prepared.study.name}' are complete"
        )
        return
    kinds = {kind: sum(artifact.kind == kind for artifact in to_make.values()) for kind in URGENCY}
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    at_once = prepared.settings.cluster.at_once
    seconds = sum(prepared.costs[key].seconds for key in to_make) / at_once
    view.say(
        f"study '{prepared.study.name}', plan {number}: {len(prepared.plan.cells)} cells; "
        f"to make: {listed}; about {duration(seconds)} with {at_once} at once"
    )


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """One line on what the new plan has that the old one had not, and the other way round."""
    before = {tuple(sorted(map(str, cell["axes"].items()))) for cell in old["cells"]}
    after = {tuple(sorted(map(str, cell["axes"].items()))) for cell in new["cells"]}
    if before == after:
        return "changed since the last plan: the same cells, made or analysed differently"
    left = f"{len(before - after)} cells left it (their files stay)"
    return f"changed since the last plan: {len(after - before)} cells are new, {left}"


def conclude(saved: Saved, note: Note | None, console: Console) -> int:
    """Say what failed, make the report, name it; 0 if every cell is complete."""
    states = saved.states()
    save_cells(saved.study, saved.document, states)
    failures = saved.ledger.failures
    failed = [failures.of(key) for key, state in states.items() if state == State.FAILED]
    for failure in failed:
        if failure:
            console.print(
                f"failed: {failure['kind']} {failure['label']}: {failure['cause']}: {failure['message']} "
                f"(log: {failure['log']}); {failure['advice']}{_last_words(failure)}",
                markup=False, highlight=False, soft_wrap=True, style="red",
            )  # fmt: skip
    if note is not None and stop_file(note.folder).exists():
        console.print(stop_file(note.folder).read_text(), markup=False, highlight=False, soft_wrap=True)
    done = [state == State.COMPLETE for state in saved.cell_states(states)]
    console.print(f"{sum(done)} of {len(done)} cells complete", highlight=False)
    if biases := audit.biases(saved.document, saved.ledger.store):
        write_text(saved.study.audit_table, audit.table(biases))
        for sentence in audit.sentences(biases):
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    reported = _report(saved) if any(done) else 0
    return 0 if all(done) and reported == 0 else 1


def _last_words(failure: Mapping[str, Any]) -> str:
    """The end of the log, where that says more than the message."""
    lines = [line for line in str(failure["traceback"]).splitlines() if line.strip()][-LAST_WORDS:]
    return "".join(f"\n    | {line}" for line in lines)


def _report(saved: Saved) -> int:
    """Have the analysis write the page, unless it is newer than all that goes into it."""
    study, store = saved.study, saved.ledger.store
    if validation.only(saved.document["cells"]):
        Console().print(
            f"nothing to report on a test: `doublings tune {study.name}` chooses", highlight=False
        )
        return 0
    page = study.root / "report" / "index.html"
    records = [key for key, artifact in saved.artifacts.items() if artifact.kind == "record"]
    manifests = [store.folder("record", key) / "manifest.json" for key in records]
    inputs = [study.plans / f"{saved.number}.json", *manifests]
    if page.exists() and page.stat().st_mtime > max(p.stat().st_mtime for p in inputs if p.exists()):
        Console().print(f"report: {page}", highlight=False, soft_wrap=True)
        return 0
    # Other formats take four times as long to draw: `doublings report` does that when they are wanted.
    command = [sys.executable, "-m", "analysis", "report", str(study.root), "--formats", "svg"]
    return subprocess.run(command).returncode


def _software() -> dict[str, Any]:
    """Versions and hardware, for the manifests; never part of a key."""
    return {
        "python": python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "platform": platform(),
        "processor": processor() or machine(),
    }
