"""Finds the folder of a model that exists, or says what is missing and how to get it; never downloads."""

from pathlib import Path

import huggingface_hub
from huggingface_hub import errors

from orchestrator.refusal import Refused

# What a folder must hold, by patterns of names; everything else of a repository is left where it is.
CONFIGURATION = "config.json"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


def folder_of(path: str | None, repo: str | None, revision: str | None) -> Path:
    """Where the model lies: `path`, or what the hub's cache holds of `repo`.

    Raises Refused with what is missing: the folder, the download, the network, a token, or a right.
    """
    if path is not None:
        folder = Path(path).expanduser().resolve()
        if not folder.is_dir():
            raise Refused(
                f"model.path={path} is no folder: give one in the hub's layout, or leave it out and set "
                "model.repo"
            )
        return folder
    if repo is None:
        raise Refused("a pretrained model needs a place: set model.path=FOLDER or model.repo=OWNER/NAME")
    try:
        cached = Path(huggingface_hub.snapshot_download(repo, revision=revision, local_files_only=True))
    except errors.HFValidationError as error:
        raise Refused(f"model.repo={repo} is no name of the hub: it should read OWNER/NAME") from error
    except (errors.LocalEntryNotFoundError, OSError) as error:
        raise Refused(_not_here(repo, revision)) from error
    if not any((cached / name).exists() for name in (INDEX, SINGLE)):
        raise Refused(_not_here(repo, revision))
    return cached


def _not_here(repo: str, revision: str | None) -> str:
    named = f"{repo}{f' at revision {revision}' if revision else ''}"
    command = f"hf download {repo}{f' --revision {revision}' if revision else ''}"
    return (
        f"model {named} is not in the hub's cache ({huggingface_hub.constants.HF_HUB_CACHE}), and "
        f"{_standing(repo, revision)}: fetch it once with `{command}`, or set model.path=FOLDER"
    )


def _standing(repo: str, revision: str | None) -> str:
    """What the hub says about fetching it."""
    try:
        huggingface_hub.HfApi().model_info(repo, revision=revision, timeout=10)
    except errors.GatedRepoError:
        return (
            f"it is gated: accept its terms on https://huggingface.co/{repo} and log in with "
            "`hf auth login` (or set HF_TOKEN)"
        )
    except errors.RevisionNotFoundError:
        return f"the hub knows no revision {revision} of it"
    except errors.RepositoryNotFoundError:
        return "the hub knows no such model, or it is private and `hf auth login` is needed"
    except errors.OfflineModeIsEnabled:
        return "HF_HUB_OFFLINE forbids to ask the hub"
    except Exception as error:  # noqa: BLE001 - of which kind depends on the hub's client; the sentence counts
        return f"the hub cannot be reached from here ({type(error).__name__})"
    return "a plan downloads nothing"
