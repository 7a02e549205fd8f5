"""A run on this machine: workers in its slots, fresh ones where they died, Ctrl-C that loses nothing."""

import os
from collections.abc import Mapping

from orchestrator.files import write_text
from orchestrator.identity import Artifact
from orchestrator.ledger import State
from orchestrator.note import Note, stop_file
from orchestrator.progress import View
from orchestrator.saved import Saved
from orchestrator.settings import LocalCluster
from orchestrator.submit import Job, submit_local

# Jobs that die leave their work undone; after so many fresh sets of them something else is wrong.
RESTARTS = 5


class LocalRun:
    """One call of `run` on this machine, until all is made, given up, or stopped."""

    poll = 0.5

    def __init__(self, saved: Saved, note: Note, cluster: LocalCluster) -> None:
        self.saved = saved
        self.note = note
        self.cluster = cluster
        self._jobs: list[Job] = []
        self._restarts = 0
        self._stopping = False

    def begin(self, view: View) -> None:
        """Start the jobs."""
        self._submit(self.saved.left(self.saved.states()))

    def started(self) -> str:
        """What a person hears who does not wait."""
        return f"{len(self._jobs)} jobs started"

    def over(self, states: Mapping[str, State], view: View) -> bool:
        """Whether everything is made or given up and no job is left; dead jobs are replaced."""
        if not all(job.ended() for job in self._jobs):
            return False
        left = self.saved.left(states)
        if self._stopping or not left or stop_file(self.note.folder).exists():
            return True
        if any(states[key] == State.RUNNING for key in left):
            return False  # in the hands of another run
        self._restarts += 1
        if self._restarts > RESTARTS:
            view.say(f"jobs ended {RESTARTS} times before their work was done; see {self.note.folder}")
            return True
        self._submit(left)
        return False

    def interrupted(self, view: View) -> bool:
        """Ctrl-C: save what is in hand and stop; at the second one stop at once. Whether that is all."""
        if self._stopping:
            for job in self._jobs:
                job.kill()
            view.say("stopped at once; run again to go on")
            return True
        self._stopping = True
        write_text(stop_file(self.note.folder), "interrupted; run again to go on")
        view.say("saving what is in hand, then stopping; press Ctrl-C again to stop at once")
        return False

    def _submit(self, to_make: Mapping[str, Artifact]) -> None:
        note = self.note.model_copy(
            update={"order": self.saved.by_urgency(to_make), "devices": devices(self.cluster.gpus)}
        )
        note.write()
        n_jobs = min(self.cluster.workers, len(to_make))
        environment = {"PYTHONPATH": note.code, "PYTHONSAFEPATH": "1"}
        self._jobs = submit_local(note.folder, n_jobs, environment)


def devices(n_gpus: int) -> tuple[str, ...]:
    """The GPUs to deal out, of those that we were given ourselves."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    ours = [name for name in given.split(",") if name] if given is not None else map(str, range(n_gpus))
    return tuple(ours)[:n_gpus]
