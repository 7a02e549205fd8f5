"""`run`: wanted artifacts, minus complete ones, minus what others make, is submitted; then followed."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import machine, platform, processor, python_version
from typing import Any

from rich.console import Console

from orchestrator import snapshot
from orchestrator.files import write_json, write_text
from orchestrator.identity import Artifact, Kind
from orchestrator.ledger import State, wanted
from orchestrator.prepare import Prepared
from orchestrator.progress import Snapshot, View, duration
from orchestrator.study import cell_state, save_cells, save_plan
from orchestrator.submit import Job, submit_local
from orchestrator.worker import Note, stop_file

POLL = 0.5
# Jobs that die leave their work undone; after so many fresh sets of them something else is wrong.
RESTARTS = 5
# Inputs of everything come first; then what is nearest to a record, so that results show early.
URGENCY: Mapping[Kind, int] = {"base": 0, "pool": 1, "record": 2, "completions": 3, "checkpoint": 4}
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pyarrow", "datasets", "submitit", "hydra-core")


@dataclass
class Run:
    """One call of `run`, until all is made, given up, or stopped."""

    prepared: Prepared
    number: int  # of the plan
    document: Mapping[str, Any]
    name: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}")
    jobs: list[Job] = field(default_factory=list)
    code: snapshot.Snapshot | None = None  # fresh jobs in place of dead ones run what those ran
    _records: frozenset[str] = frozenset()
    _last: str = ""

    @property
    def folder(self) -> Path:
        """Of notes and logs."""
        return self.prepared.study.jobs(self.name)

    def submit(self, to_make: Mapping[str, Artifact]) -> None:
        """Write the note, start the jobs."""
        prepared, cluster = self.prepared, self.prepared.settings.cluster
        code = self.code = self.code or snapshot.take(prepared.study.code)
        commit, dirty = snapshot.commit()
        note = Note(
            run=self.name,
            outputs=str(prepared.outputs),
            study=prepared.study.name,
            plan=self.number,
            order=tuple(sorted(to_make, key=lambda key: self._urgency(to_make[key]))),
            workers=cluster.workers,
            threads=cluster.threads,
            devices=devices(cluster.gpus),
            failures=cluster.failures,
            save_every=cluster.save_every,
            code=str(code.folder),
            provenance={"code": code.digest, "git_commit": commit, "git_dirty": dirty, **_software()},
        )
        write_json(self.folder / "note.json", note.model_dump(mode="json"))
        n_jobs = min(cluster.workers, len(to_make))
        environment = {"PYTHONPATH": note.code, "PYTHONSAFEPATH": "1"}
        self.jobs = submit_local(self.folder / "note.json", n_jobs, environment)

    def snapshot(self, states: Mapping[str, State]) -> Snapshot:
        """How far the study is."""
        costs = self.prepared.costs
        holders = self.prepared.ledger.leases.live()
        done = [cell for cell in self.document["cells"] if cell_state(cell, states) == State.COMPLETE]
        failed = [cell for cell in self.document["cells"] if cell_state(cell, states) in _LOST]
        running = {key: holders[key] for key in states if key in holders}
        half_done = sum(costs[key].seconds * holder.get("progress", 0.0) for key, holder in running.items())
        complete = [key for key, state in states.items() if state == State.COMPLETE]
        return Snapshot(
            cells_done=len(done),
            cells=len(self.document["cells"]),
            seconds_done=sum(costs[key].seconds for key in complete) + half_done,
            seconds_in_all=sum(cost.seconds for cost in costs.values()),
            running=tuple(running.values()),
            failed=len(failed),
            last=self._newest_result(frozenset(complete)),
        )

    def _newest_result(self, complete: frozenset[str]) -> str:
        artifacts = self.prepared.plan.artifacts
        records = frozenset(key for key in complete if artifacts[key].kind == "record")
        new = records - self._records
        if new and self._records:
            key = next(iter(new))
            summary = self.prepared.ledger.store.manifest("record", key)["summary"]
            accuracy = 100 * summary["n_correct"] / summary["n_items"]
            self._last = f"{artifacts[key].label}: {accuracy:.1f} %"
        self._records = records
        return self._last

    def _urgency(self, artifact: Artifact) -> tuple[int, float, str]:
        return URGENCY[artifact.kind], -self.prepared.costs[artifact.key].seconds, artifact.key


_LOST = (State.FAILED, State.BLOCKED)


def run(prepared: Prepared, console: Console) -> int:
    """Make what is missing; 0 if every cell is complete then, 1 otherwise."""
    plan_document = prepared.document()
    number, replaced = save_plan(prepared.study, plan_document)
    this = Run(prepared, number, plan_document)
    with View(console) as view:
        _announce(this, replaced, view)
        if prepared.to_make:
            for key in prepared.to_make:
                prepared.ledger.failures.forget(key)
            this.submit(prepared.to_make)
            if not prepared.settings.wait:
                view.say(f"{len(this.jobs)} jobs started; `doublings status {prepared.study.name} --watch`")
                return 0
            Follower(this, view).follow()
    states = prepared.ledger.states(prepared.plan.artifacts)
    save_cells(prepared.study, plan_document, states)
    return _conclude(this, states, console)


def _announce(this: Run, replaced: Mapping[str, Any] | None, view: View) -> None:
    prepared = this.prepared
    for note in prepared.notes:
        view.say(f"note: {note}")
    if replaced:
        view.say(difference(replaced, this.document))
    to_make = prepared.to_make
    if not to_make:
        view.say(
            f"nothing to make: all {len(prepared.plan.cells)} cells of '{prepared.study.name}' are complete"
        )
        return
    kinds = {kind: sum(artifact.kind == kind for artifact in to_make.values()) for kind in URGENCY}
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    seconds = sum(prepared.costs[key].seconds for key in to_make) / prepared.settings.cluster.workers
    view.say(
        f"study '{prepared.study.name}', plan {this.number}: {len(prepared.plan.cells)} cells; "
        f"to make: {listed}; about {duration(seconds)} with {prepared.settings.cluster.workers} workers"
    )


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """One line on what the new plan has that the old one had not, and the other way round."""
    before = {tuple(sorted(map(str, cell["axes"].items()))) for cell in old["cells"]}
    after = {tuple(sorted(map(str, cell["axes"].items()))) for cell in new["cells"]}
    if before == after:
        return "changed since the last plan: the same cells, made or analysed differently"
    left = f"{len(before - after)} cells left it (their files stay)"
    return f"changed since the last plan: {len(after - before)} cells are new, {left}"


class Follower:
    """Watches the jobs of a run; starts fresh ones where they died; Ctrl-C stops gently, twice at once."""

    def __init__(self, this: Run, view: View) -> None:
        self.this = this
        self.view = view
        self._restarts = 0
        self._stopping = False

    def follow(self) -> None:
        """Until everything is made or given up, and no job is left."""
        while True:
            try:
                if self._over():
                    return
                time.sleep(POLL)
            except KeyboardInterrupt:
                if self._stopping:
                    self._kill()
                    return
                self._stopping = True
                write_text(stop_file(self.this.folder), "interrupted; run again to go on")
                self.view.say("stopping after what is in hand; press Ctrl-C again to stop at once")

    def _over(self) -> bool:
        artifacts = self.this.prepared.plan.artifacts
        states = self.this.prepared.ledger.states(artifacts)
        self.view.show(self.this.snapshot(states))
        if not all(job.ended() for job in self.this.jobs):
            return False
        complete = {key for key, state in states.items() if state == State.COMPLETE}
        left = [key for key in wanted(artifacts, complete) if states[key] not in _LOST]
        if self._stopping or not left or stop_file(self.this.folder).exists():
            return True
        if any(states[key] == State.RUNNING for key in left):
            return False  # in the hands of another run
        self._restarts += 1
        if self._restarts > RESTARTS:
            self.view.say(f"jobs ended {RESTARTS} times before their work was done; see {self.this.folder}")
            return True
        self.this.submit({key: artifacts[key] for key in left})
        return False

    def _kill(self) -> None:
        for job in self.this.jobs:
            job.kill()
        self.view.say("stopped at once; run again to go on")


def _conclude(this: Run, states: Mapping[str, State], console: Console) -> int:
    """Say what failed, make the report, name it."""
    prepared = this.prepared
    failures = prepared.ledger.failures
    failed = [failures.of(key) for key, state in states.items() if state == State.FAILED]
    for failure in failed:
        if failure:
            console.print(
                f"failed: {failure['kind']} {failure['label']}: {failure['cause']}: {failure['message']} "
                f"(log: {failure['log']})",
                markup=False, highlight=False, soft_wrap=True, style="red",
            )  # fmt: skip
    if stop_file(this.folder).exists():
        console.print(stop_file(this.folder).read_text(), markup=False, highlight=False, soft_wrap=True)
    done = [cell_state(cell, states) == State.COMPLETE for cell in this.document["cells"]]
    console.print(f"{sum(done)} of {len(done)} cells complete", highlight=False)
    reported = _report(this) if any(done) else 0
    return 0 if all(done) and reported == 0 else 1


def _report(this: Run) -> int:
    """Have the analysis write the page, unless it is newer than all that goes into it."""
    study, store = this.prepared.study, this.prepared.ledger.store
    page = study.root / "report" / "index.html"
    records = [
        store.folder("record", key) for cell in this.prepared.plan.cells for key in cell.records.values()
    ]
    inputs = [study.plans / f"{this.number}.json", *(folder / "manifest.json" for folder in records)]
    if page.exists() and page.stat().st_mtime > max(p.stat().st_mtime for p in inputs if p.exists()):
        Console().print(f"report: {page}", highlight=False, soft_wrap=True)
        return 0
    return subprocess.run([sys.executable, "-m", "analysis", "report", str(study.root)]).returncode


def devices(n_gpus: int) -> tuple[str, ...]:
    """The GPUs to deal out, of those that we were given ourselves."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    ours = [name for name in given.split(",") if name] if given is not None else map(str, range(n_gpus))
    return tuple(ours)[:n_gpus]


def _software() -> dict[str, Any]:
    """Versions and hardware, for the manifests; never part of a key."""
    return {
        "python": python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "platform": platform(),
        "processor": processor() or machine(),
    }
