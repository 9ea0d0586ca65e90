"""The Hugging Face Hub: single files of a model from it, and a finished model folder to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi, constants, get_session, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, and not marked as such

from ganbert.errors import InputError, RunError
from ganbert.storage.fields import one_line
from ganbert.storage.folders import MANIFEST, is_unfinished, manifest

SECONDS = 5
"""How long the Hub may take to answer at all."""


def find_file(source: str, name: str, hub: dict[str, Any]) -> Path | None:
    """Return the file `name` of a folder or of a Hub name; None if it cannot be had.

    Args:
        source: a folder, or a name on the Hub.
        name: of the file.
        hub: options of `huggingface_hub.hf_hub_download`, as `hub_options` gives them.

    Raises:
        OSError: the Hub has no such repository or revision.
    """
    if Path(source).is_dir():
        path = Path(source) / name
        return path if path.is_file() else None
    try:
        return Path(hf_hub_download(source, name, **hub))
    except HFValidationError as error:
        raise OSError(str(error)) from error
    except (EntryNotFoundError, GatedRepoError):  # the second is a kind of RepositoryNotFoundError
        return None
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except HfHubHTTPError:
        return None


def hub_options(source: str) -> dict[str, bool]:
    """Return options for loading `source` from the Hub: without a network, look only into the local cache."""
    return {"local_files_only": True} if not Path(source).is_dir() and hub_is_out_of_reach() else {}


def hub_is_out_of_reach() -> bool:
    """Whether the Hub does not answer, or must not be asked (`HF_HUB_OFFLINE`).

    Its client has no setting for this: where a file is not in the cache, it tries again for half a minute. So one
    request goes out first, by the client's own session: mirrors, proxies and certificates are those that it uses.
    """
    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception:  # of the HTTP library that the client uses, which changes
        return True
    return False


def push_folder(
    folder: Path,
    repo_id: str,
    *,
    token: str | None = None,
    private: bool = True,
    message: str = "Upload a model trained with ganbert",
) -> str:
    """Upload a model folder in one commit, and return the address of its page.

    The files that the manifest lists are uploaded, and the manifest; not checkpoints, locks or other files.

    Args:
        folder: what `ganbert train`, `ganbert export` or `GanBertClassifier.save` left.
        repo_id: `user/name`, or a name alone for a repository of your own. It is made if it does not exist; in one that
            does, files of the same names are replaced.
        token: an access token that may write there; None takes the one of `hf auth login`, or of `HF_TOKEN`.
        private: whether only its owner sees a new repository. The model card quotes a few training texts: look at it
            before you make the repository public.
        message: of the commit.

    Raises:
        InputError: the folder holds no finished model, the name is not valid, or the Hub does not let this user write.
        RunError: the Hub cannot be reached, or something fails there.
    """
    check_repo_id(repo_id)
    names = _files_of_model(folder)
    api = HfApi(token=token)
    try:
        repo = api.create_repo(repo_id, private=private, exist_ok=True)
        files = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name) for name in names]
        api.create_commit(repo.repo_id, files, commit_message=message)
    except HfHubHTTPError as error:
        reason = one_line(error.server_message or error)
        if error.response.status_code in (401, 403):
            raise InputError(
                f"{repo_id}: the Hub refuses to write there ({reason}): "
                "log in with `hf auth login`, or set HF_TOKEN to a token with write access"
            ) from error
        raise RunError(f"{repo_id}: upload to the Hub failed ({error.response.status_code}: {reason})") from error
    except Exception as error:  # whatever the client, its HTTP library and the network raise
        raise RunError(f"{repo_id}: upload to the Hub failed ({one_line(error)})") from error
    return str(repo)


def check_repo_id(repo_id: str) -> None:
    """Refuse a name that the Hub would not take, without asking it: long before there is a model to upload.

    Raises:
        InputError: it is not valid.
    """
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise InputError(f"{repo_id!r} is no name for a model on the Hub: {one_line(error)}") from error


def _files_of_model(folder: Path) -> list[str]:
    """Return the names of the files to upload.

    Raises:
        InputError: the folder holds no finished model, or not all of it.
    """
    names = manifest(folder)
    if names is None or is_unfinished(folder):
        raise InputError(f"holds no finished model: it has no {MANIFEST}, or its run is not done", path=folder)
    if missing := [name for name in sorted(names) if not (folder / name).is_file()]:
        raise InputError(f"{MANIFEST} lists it, and it is not there", path=folder / missing[0])
    return sorted({*names, MANIFEST})
