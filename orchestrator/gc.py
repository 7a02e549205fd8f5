"""The verb `gc`: what is on disk, by study and kind; what nobody refers to; and freeing it."""

import json
import secrets
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.artifacts import EVICTABLE, Store
from orchestrator.identity import KINDS, Kind
from orchestrator.ledger import Ledger
from orchestrator.progress import size
from orchestrator.references import Reference, References, references
from orchestrator.retention import Sweeper, unfinished, weights_of
from orchestrator.study import StudyFolder, find

LEFTOVERS = "leftovers"  # of jobs that died, and states that nothing will be resumed from


@dataclass
class Held:
    """Things on disk, and their bytes."""

    n: int = 0
    n_bytes: int = 0

    def add(self, n_bytes: int) -> None:
        """One more."""
        self.n += 1
        self.n_bytes += n_bytes


@dataclass(frozen=True)
class Holdings:
    """What there is below one folder of results; what several studies share is counted with each."""

    studies: Mapping[str, Mapping[str, Held]]  # by kind
    unreferenced: Mapping[str, Held]  # by kind, and leftovers
    evictable: Mapping[str, Held]  # weights that each study does not keep and nobody needs
    garbage: tuple[Path, ...] = field(repr=False)  # the folders behind `unreferenced`


def collect(name: str | None, outputs: Path, *, free: bool, paid: bool, as_json: bool) -> int:
    """Show what is there and, with `free`, free what nobody refers to and what studies do not keep.

    With a `name`: of that study alone, among what its earlier plans made. Pools that a model was paid for
    are garbage only where `paid`. Raises Refused where a plan cannot be read: nobody knows what it needs.
    """
    study = find(name, outputs) if name else None
    root = study.outputs if study else outputs.expanduser().resolve()
    ledger = Ledger.at(root)
    known = references(root, ledger.leases.live().values())
    chosen = tuple(one for one in known.newest if study is None or one.name == study.name)
    holdings = survey(ledger, known, chosen, _within(study), paid=paid)
    freed = _free(ledger, root, chosen, holdings) if free else None
    if as_json:
        sys.stdout.write(json.dumps(_as_document(holdings, freed), indent=1) + "\n")
    else:
        _show(holdings, freed, Console())
    return 0


def survey(
    ledger: Ledger, known: References, chosen: Iterable[Reference], within: set[str] | None, *, paid: bool
) -> Holdings:
    """`within`: the keys that may be garbage; None: all."""
    store = ledger.store
    on_disk = {kind: {key: _bytes(store.folder(kind, key)) for key in store.keys(kind)} for kind in KINDS}
    studies: dict[str, dict[str, Held]] = {}
    for one in chosen:
        studies[one.name] = {kind: Held() for kind in KINDS}
        for key, artifact in one.artifacts.items():
            if key in on_disk[artifact.kind]:
                studies[one.name][artifact.kind].add(on_disk[artifact.kind][key])
    unreferenced: dict[str, Held] = {}
    garbage = []
    live = ledger.leases.live()
    for name, folder in _garbage(store, on_disk, known.named(), paid=paid):
        if _key(folder) not in live and (within is None or _key(folder) in within):
            unreferenced.setdefault(name, Held()).add(_bytes(folder))
            garbage.append(folder)
    evictable = {one.name: _evictable(store, known, one) for one in chosen}
    return Holdings(studies, unreferenced, evictable, tuple(garbage))


def _within(study: StudyFolder | None) -> set[str] | None:
    """What any plan of a study ever named."""
    if study is None:
        return None
    numbers = (int(path.stem) for path in study.plans.glob("*.json"))
    return {key for number in numbers for key in study.plan(number)["artifacts"]}


def _evictable(store: Store, known: References, study: Reference) -> Held:
    held = Held()
    weights = [made for made in study.artifacts.values() if made.kind in EVICTABLE]
    free = store.complete(weights) - store.without_weights(weights) - known.needs(store)
    for made in weights:
        if made.key in free or unfinished(store, made):
            names = weights_of(store, made)
            held.add(sum(_size(store.folder(made.kind, made.key) / name) for name in names))
    return held


def _was_paid_for(store: Store, kind: Kind, key: str) -> bool:
    return kind == "pool" and store.manifest(kind, key)["spec"].get("strategy", {}).get("kind") == "llm"


def _garbage(
    store: Store, on_disk: Mapping[Kind, Mapping[str, int]], named: set[str], *, paid: bool
) -> Iterable[tuple[str, Path]]:
    """By kind, what no plan names; private folders of makers, and states that nobody will resume from."""
    for kind in KINDS:
        for key in sorted(on_disk[kind].keys() - named):
            if paid or not _was_paid_for(store, kind, key):
                yield kind, store.folder(kind, key)
        yield from ((LEFTOVERS, path) for path in (store.root / kind).glob(".*") if path.is_dir())
    needed = named - {key for keys in on_disk.values() for key in keys}
    for folder in (store.root / ".states").glob("*"):
        answers = (folder / "answers.jsonl").exists()
        if folder.name not in needed and (paid or not answers):
            yield LEFTOVERS, folder


def _free(ledger: Ledger, root: Path, chosen: Iterable[Reference], holdings: Holdings) -> int:
    """Bytes that are free now."""
    # A full disk has no room for tombstones before garbage is gone.
    n_bytes = sum(_remove(ledger, folder) for folder in holdings.garbage)
    for one in chosen:
        sweeper = Sweeper(ledger, root, one)
        n_bytes += sweeper.end_what_was_begun().n_bytes + sweeper.sweep().n_bytes
    return n_bytes


def _remove(ledger: Ledger, folder: Path) -> int:
    """Away in one rename, so that it is whole or absent; what somebody has in hand by now stays."""
    key = _key(folder)
    lease = ledger.leases.claim(key, {"study": None, "run": None, "kind": "garbage", "label": "removing"})
    if lease is None:
        return 0
    try:
        n_bytes = _bytes(folder)
        aside = folder.with_name(f".{key}.{secrets.token_hex(4)}.removed")
        folder.rename(aside)
        shutil.rmtree(aside)
    finally:
        ledger.leases.clear(key)
    return n_bytes


def _key(folder: Path) -> str:
    """Of whose artifact it is; private folders begin with a dot."""
    return folder.name.split(".")[1] if folder.name.startswith(".") else folder.name


def _bytes(folder: Path) -> int:
    """What a folder takes; what it only links to lies elsewhere."""
    return sum(_size(path) for path in folder.rglob("*") if not path.is_symlink())


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _as_document(holdings: Holdings, freed: int | None) -> dict[str, Any]:
    def told(by_name: Mapping[str, Held]) -> dict[str, Any]:
        return {name: {"n": held.n, "bytes": held.n_bytes} for name, held in by_name.items()}

    return {
        "studies": {name: told(kinds) for name, kinds in holdings.studies.items()},
        "unreferenced": told(holdings.unreferenced),
        "evictable": told(holdings.evictable),
        "freed_bytes": freed,
    }


def _show(holdings: Holdings, freed: int | None, console: Console) -> None:
    table = Table("study", "kind", "how many", "size", title="on disk", title_justify="left")
    nobodys = holdings.unreferenced
    for name, kinds in (*holdings.studies.items(), ("(nobody refers to)", nobodys)):
        rows = dict(kinds)
        if name in holdings.evictable:
            rows["weights that are not kept"] = holdings.evictable[name]
        for kind, held in rows.items():
            if held.n:
                table.add_row(name, kind, str(held.n), size(held.n_bytes))
        table.add_section()
    console.print(table)
    if freed is not None:
        console.print(f"freed {size(freed)}", highlight=False)
        return
    n_bytes = sum(held.n_bytes for part in (nobodys, holdings.evictable) for held in part.values())
    if n_bytes:
        console.print(f"{size(n_bytes)} can be freed: the same with --free", highlight=False)
    else:
        console.print("nothing to free", highlight=False)
