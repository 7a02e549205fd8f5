"""The verb `retry`: another try for what failed, with the settings and the code of the last run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator import snapshot
from orchestrator.ledger import State
from orchestrator.note import Note, read_note
from orchestrator.progress import View
from orchestrator.refusal import Refused
from orchestrator.run import conclude, make, new_note
from orchestrator.saved import Saved
from orchestrator.study import find, makings
from orchestrator.why import matching


def retry(name: str, conditions: Sequence[str], outputs: Path, *, current_code: bool) -> int:
    """Forget the failures of the cells that match, and run the study on; what did not fail is missing too."""
    study = find(name, outputs)
    saved = Saved.newest(study)
    last = study.newest_run()
    if last is None:
        raise Refused(f"'{study.name}' was never run: `doublings run` makes what is missing")
    before = read_note(study.jobs(last))
    console = Console(highlight=False, soft_wrap=True)
    n_forgotten = _forget(saved, matching(saved.document["cells"], conditions))
    with View(console) as view:
        view.say(f"{n_forgotten} failed artifacts of '{study.name}' get another try")
        if not saved.left(saved.states()):
            return conclude(saved, None, console)
        note = new_note(saved, before.settings, _code(before, current=current_code, into=study.code), before)
        if not make(saved, note, view):
            return 0
    return conclude(saved, note, console)


def _forget(saved: Saved, cells: Sequence[Mapping[str, Any]]) -> int:
    """Forget why what these cells need could not be made; how many artifacts had failed."""
    states = saved.states()
    needed = {made.key for cell in cells for made in makings(cell, saved.artifacts)}
    for key in needed:
        if states[key] == State.FAILED:
            saved.ledger.forget(key)
    return sum(states[key] == State.FAILED for key in needed)


def _code(before: Note, *, current: bool, into: Path) -> snapshot.Snapshot:
    """The snapshot that the last run used, unless the code as it is now is asked for."""
    folder = Path(before.code)
    if current or not folder.is_dir():
        return snapshot.take(into)
    return snapshot.Snapshot(folder, before.provenance["code"])
