import errno
import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.artifacts import Store
from orchestrator.identity import Artifact, digest, key_of


def an_artifact(name: str = "a") -> Artifact:
    spec = {"name": name}
    return Artifact("pool", key_of("pool", digest(spec), {}), spec, {})


def made(store: Store, artifact: Artifact, text: str) -> Path:
    folder = store.start(artifact)
    (folder / "pool.parquet").write_text(text)
    return folder


def test_an_artifact_is_absent_until_it_is_published(tmp_path: Path) -> None:
    store, artifact = Store(tmp_path), an_artifact()
    folder = made(store, artifact, "rows")
    assert not store.has("pool", artifact.key)
    assert store.keys("pool") == set()
    assert store.publish(artifact, folder, {"n_rows": 1}, {})
    assert store.keys("pool") == {artifact.key}
    manifest = store.manifest("pool", artifact.key)
    assert manifest["summary"] == {"n_rows": 1}
    assert manifest["files"]["pool.parquet"]["bytes"] == 4


def test_the_second_of_two_makers_changes_nothing(tmp_path: Path) -> None:
    store, artifact = Store(tmp_path), an_artifact()
    first, second = made(store, artifact, "first"), made(store, artifact, "second")
    assert store.publish(artifact, first, {}, {})
    assert not store.publish(artifact, second, {}, {})
    assert (store.folder("pool", artifact.key) / "pool.parquet").read_text() == "first"
    assert [path.name for path in (tmp_path / "artifacts" / "pool").iterdir()] == [artifact.key]


def test_without_its_manifest_a_folder_is_no_artifact_and_is_replaced(tmp_path: Path) -> None:
    store, artifact = Store(tmp_path), an_artifact()
    store.publish(artifact, made(store, artifact, "old"), {}, {})
    (store.folder("pool", artifact.key) / "manifest.json").unlink()
    assert not store.has("pool", artifact.key)
    assert store.publish(artifact, made(store, artifact, "new"), {}, {})
    assert (store.folder("pool", artifact.key) / "pool.parquet").read_text() == "new"


def a_state(store: Store, artifact: Artifact) -> Path:
    state = store.state_folder(artifact.key) / "412.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    return state


def test_publication_removes_what_would_have_been_resumed_from(tmp_path: Path) -> None:
    store, artifact, other = Store(tmp_path), an_artifact("a"), an_artifact("b")
    states = [a_state(store, one) for one in (artifact, other)]
    store.publish(artifact, made(store, artifact, "rows"), {}, {})
    assert [state.exists() for state in states] == [False, True]
    assert store.keys("pool") == {artifact.key}


def test_a_state_survives_its_maker_and_a_publication_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, artifact = Store(tmp_path), an_artifact()
    state, folder = a_state(store, artifact), made(store, artifact, "rows")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.publish(artifact, folder, {}, {})
    store.discard_unfinished(artifact)
    assert state.exists()


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, artifact = Store(tmp_path), an_artifact()
    folder = made(store, artifact, "rows")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.publish(artifact, folder, {}, {})
    assert not store.has("pool", artifact.key)
    assert list((tmp_path / "artifacts" / "pool").iterdir()) == []
