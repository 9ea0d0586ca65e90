"""Single files of a model by its name: from a folder, or from the Hugging Face Hub and its local cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_session, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

SECONDS = 5
"""How long the Hub may take to answer at all."""


def find_file(source: str, name: str, hub: dict[str, Any]) -> Path | None:
    """Return the file `name` of a folder or of a Hub name; None if there is none that can be had.

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
