"""A run on Slurm: what is missing and in nobody's hands is submitted; what was lost is submitted again."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cache

from orchestrator import packing, shapes, slurm, slurm_jobs, triage
from orchestrator.autopsy import Remains, examine
from orchestrator.driver import drivers, start_driver
from orchestrator.files import write_text
from orchestrator.identity import Artifact, Kind, digest, inputs_first
from orchestrator.ledger import State
from orchestrator.limits import Full, Limits
from orchestrator.note import Note, stop_file
from orchestrator.progress import View
from orchestrator.queued import Queued, look
from orchestrator.refusal import Refused
from orchestrator.saved import Saved
from orchestrator.settings import Resources, SlurmCluster
from orchestrator.submissions import PREFIX, Submission, write
from orchestrator.submit import Script, submit_slurm


class SlurmRun:
    """One run of a study on Slurm. Any number of these may look after one study at the same time."""

    poll = 5.0

    def __init__(self, saved: Saved, note: Note, cluster: SlurmCluster) -> None:
        self.saved = saved
        self.note = note
        self.cluster = cluster
        self.queued = Queued()
        self.everything_submitted = False
        self._limits = Limits()
        self._full: Full | None = None
        self._n_jobs = self._n_arrays = 0

    def begin(self, view: View) -> None:
        """Leave a driver, then submit all that is missing; wait where Slurm is silent, or full and undriven.

        Raises Refused where Slurm will not take such jobs; then nothing of this run stays in its queue.
        """
        self.saved.study.index(self.saved.number, self.saved.document)
        try:
            with self._withdrawn_if_refused():
                while not self._driven(view):
                    time.sleep(self.poll)
                while not self._step(view) and not (self.cluster.driver and self._n_arrays):
                    time.sleep(self.poll)
        except Refused:
            if not self._n_arrays:
                self.note.path.unlink()  # it never was: `retry` and drivers go by the last run that was
            raise

    def started(self) -> str:
        """What a person hears who does not wait."""
        who = "the driver" if self.cluster.driver else "the next `run`"
        rest = "" if self.everything_submitted else f"; {who} submits the rest"
        n_before = len(self.queued.jobs) - self._n_jobs
        before = f" ({n_before} of earlier runs, with the code and settings of then)" if n_before > 0 else ""
        told = f"{self._n_jobs} jobs in {self._n_arrays} arrays submitted{rest}"
        return f"{told}; {self.queued.in_words()}{before}"

    def over(self, states: Mapping[str, State], view: View) -> bool:
        """Whether nothing is left to make and nothing is queued; what was lost is submitted again."""
        with self._withdrawn_if_refused():
            done = self._step(view)
        if not done or self.queued.jobs:
            return False
        if not self._stopped() and self.saved.left(self.saved.states()):
            return False
        self._take_drivers_back()
        return True

    def interrupted(self, view: View) -> bool:
        """Ctrl-C ends the watching, not the jobs."""
        name = self.note.study
        view.say(f"no longer watching; the jobs go on. `doublings status {name}`, `doublings cancel {name}`")
        return True

    def _step(self, view: View) -> bool:
        """Reconcile once; whether all that could be submitted is."""
        return self._heard(self.reconcile, view) and self.everything_submitted

    def _driven(self, view: View) -> bool:
        """Submit the driver, if there shall be one; whether that is done."""
        return self._heard(lambda: start_driver(self.note, self.cluster), view)

    def _heard(self, action: Callable[[], object], view: View) -> bool:
        """Whether Slurm heard it and had room."""
        try:
            action()
        except slurm.SlurmSilent as silence:
            view.say_once(f"Slurm does not answer ({silence}); waiting")
            return False
        except slurm_jobs.SlurmFull as full:
            view.say_once(f"Slurm takes no more jobs for now ({full}); going on when it does")
            return False
        return True

    def _take_drivers_back(self) -> None:
        """None is needed any more; one that runs, or a silent Slurm's, finds that out by itself."""
        with suppress(slurm.SlurmSilent):
            slurm_jobs.cancel_waiting(drivers(self.saved.study, slurm.queue(), self.note.run))

    @contextmanager
    def _withdrawn_if_refused(self) -> Iterator[None]:
        """What Slurm refuses once it refuses always: what waits is taken back, what runs saves and ends."""
        try:
            yield
        except Refused as refusal:
            write_text(stop_file(self.note.folder), str(refusal))
            with suppress(slurm.SlurmSilent):
                slurm_jobs.cancel_waiting(self._of_this_run())
            self._take_drivers_back()
            raise

    def _of_this_run(self) -> list[str]:
        """The ids of its arrays that wait or run; those of other runs of the study are not ours to end."""
        return sorted(
            {
                entry.job_id
                for entry in self.queued.jobs.values()
                if (self.note.folder / entry.name.removeprefix(PREFIX)).is_dir()
            }
        )

    def reconcile(self) -> None:
        """Look at the queue, learn from what ended, submit what is missing and in nobody's hands.

        Raises slurm.SlurmSilent and slurm_jobs.SlurmFull; whatever was submitted until then is on the books.
        """
        self.everything_submitted = False
        with self._alone() as alone:
            self.queued = look(self.saved.study, slurm.queue())
            if not alone:
                return  # another orchestrator submits at this moment
            self._learn()
            if self._stopped():
                slurm_jobs.cancel_waiting(self._of_this_run())
            else:
                self._submit(self._missing())
            self.everything_submitted = not self.queued.unsure

    def _learn(self) -> None:
        """Note what became of each array; blame what ended for what it left unmade."""
        slurm_jobs.cancel(self.queued.stuck())
        for submission in self.queued.unheard:
            submission.over({"never": "Slurm knows no such job"})
        for known in self.queued.known:
            if known.submission.job_id is None:
                known.submission.taken(known.job_id)
        if self.queued.known:
            examine(Remains(self.saved, self.cluster, self.queued.known, self._settled()))

    def _settled(self) -> set[str]:
        """What is complete or given up."""
        ledger = self.saved.ledger
        return ledger.complete(self.saved.artifacts) | ledger.failures.failed()

    def _missing(self) -> dict[str, Artifact]:
        """What nobody makes or will make, and whose inputs are there, on their way, or missing too."""
        states = self.saved.states()
        left = self.saved.left(states)
        taken = self.queued.holding.keys() | self.queued.unsure
        missing: dict[str, Artifact] = {}
        for artifact in inputs_first(left.values()):
            key = artifact.key
            if key in taken or states[key] == State.RUNNING:
                continue
            if all(
                states[made_from] == State.COMPLETE
                or made_from in self.queued.holding
                or made_from in missing
                for made_from in artifact.inputs.values()
            ):
                missing[key] = artifact
        return missing

    def _submit(self, missing: Mapping[str, Artifact]) -> None:
        models = {key: shapes.model_of(artifact, self.saved.artifacts) for key, artifact in missing.items()}
        tried = self.saved.ledger.attempts.known()

        @cache
        def resources_for(kind: Kind, model: str | None, changes: triage.Adjustments) -> Resources:
            return shapes.resources_for(self.cluster, kind, model, changes)

        def resources_of(artifact: Artifact) -> Resources:
            attempts = self.saved.ledger.attempts.of(artifact.key) if artifact.key in tried else []
            return resources_for(artifact.kind, models[artifact.key], triage.adjustments(attempts))

        for batch in packing.jobs(self.cluster, missing, resources_of, self.saved.seconds, models):
            left = list(batch.elements)
            while left:
                left = left[self._submit_some(self._limits.allowed(batch.resources), left) :]

    def _submit_some(self, resources: Resources, elements: Sequence[Sequence[Artifact]]) -> int:
        """Submit as many of the elements as one array may have and Slurm takes now; how many those are."""
        n_elements = min(len(elements), self._limits.longest_array, self._room())
        while True:
            try:
                self._submit_array(resources, elements[:n_elements])
            except slurm_jobs.SlurmFull as full:
                if n_elements == 1:
                    self._full = Full.now(str(full), len(self.queued.jobs), self._full)
                    raise
                n_elements //= 2
            except Refused:
                declared = shapes.declared(self.cluster, elements[0][0], self.saved.artifacts)
                if resources.exclude == declared.exclude:
                    raise
                # Every node has failed once, and Slurm has none left: a node that fails at times beats none.
                resources = resources.model_copy(update={"exclude": declared.exclude})
            else:
                return n_elements

    def _submit_array(self, resources: Resources, elements: Sequence[Sequence[Artifact]]) -> None:
        """On the books first: whoever is killed after sbatch finds the array by its name."""
        shares = [[artifact.key for artifact in share] for share in elements]
        submission = write(self.note.folder, resources, shares)
        needed = {key for share in elements for artifact in share for key in artifact.inputs.values()}
        script = Script(
            folder=submission.folder,
            name=submission.job_name,
            resources=resources,
            command=[self.note.python, "-m", "orchestrator", "work", str(submission.folder)],
            code=self.note.code,
            n_elements=len(elements),
            after=sorted({self.queued.holding[key] for key in needed if key in self.queued.holding}),
        )
        try:
            job_id = submit_slurm(script, self.cluster)
        except (Refused, slurm_jobs.SlurmFull, slurm_jobs.SlurmUnreached):
            submission.over({"never": "Slurm did not take it"})
            raise
        submission.taken(job_id)
        self._full = None
        for index, share in enumerate(shares):
            self.queued.jobs[f"{job_id}_{index}"] = _new_entry(job_id, index, submission)
            self.queued.holding.update(dict.fromkeys(share, job_id))
        self._n_jobs += len(elements)
        self._n_arrays += 1

    def _room(self) -> int:
        """How many more jobs may be queued. Raises slurm_jobs.SlurmFull where that is none, or surely so."""
        if self._full and self._full.surely(len(self.queued.jobs)):
            raise slurm_jobs.SlurmFull(self._full.said)
        if self.cluster.max_queued is None:
            return sys.maxsize
        room = self.cluster.max_queued - len(self.queued.jobs)
        if room < 1:
            raise slurm_jobs.SlurmFull(f"cluster.max_queued={self.cluster.max_queued} jobs are queued")
        return room

    def _stopped(self) -> bool:
        return stop_file(self.note.folder).exists()

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether nobody else submits for this study while the context lasts."""
        leases = self.saved.ledger.leases
        key = digest(["submitting", self.saved.study.name])  # names may have dots, keys must not
        lease = leases.claim(key, {"label": "submission", "kind": "submission"})
        try:
            with leases.kept(lease) if lease else nullcontext():
                yield lease is not None
        finally:
            if lease is not None:
                leases.clear(key)


def _new_entry(job_id: str, index: int, submission: Submission) -> slurm.Entry:
    """As the queue will show it."""
    return slurm.Entry(
        job_id, (index,), "PENDING", slurm.user(), 0, "", "", "just submitted", submission.job_name
    )
