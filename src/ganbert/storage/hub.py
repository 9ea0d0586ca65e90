"""A finished model folder to the Hugging Face Hub: the files of its manifest, and nothing else that lies there."""

from __future__ import annotations

from pathlib import Path

from ganbert.errors import InputError, RunError
from ganbert.storage.fields import one_line
from ganbert.storage.folders import MANIFEST, is_unfinished, manifest


def push_folder(
    folder: Path,
    repo_id: str,
    *,
    token: str | None = None,
    private: bool | None = None,
    message: str = "Upload a model trained with ganbert",
) -> str:
    """Upload a model folder in one commit, and return the address of its page.

    What the folder's manifest lists is uploaded, and the manifest. Checkpoints, locks, and files that somebody put
    there are not.

    Args:
        folder: what `ganbert train`, `ganbert export` or `GanBertClassifier.save` left.
        repo_id: `user/name`, or a name for a repository of one's own. It is made if it does not exist; files of the
            same name are replaced in one that does.
        token: an access token that may write there; None takes the one of `hf auth login`, or of `HF_TOKEN`.
        private: whether only its owner sees a new repository; None is the account's default.
        message: of the commit.

    Raises:
        InputError: the folder holds no finished model, the name is not valid, or the Hub does not let this user write.
        RunError: the Hub cannot be reached, or something fails there.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

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
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, and not marked as such

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
