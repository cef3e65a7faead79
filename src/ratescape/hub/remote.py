"""The hub itself: what goes there and comes from there. Only this file knows its library."""

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ratescape.errors import HubError, RatescapeError
from ratescape.hub.files import PATTERNS
from ratescape.specs.checks import from_extra
from ratescape.version import __version__


def library() -> Any:
    """The module huggingface_hub.

    Raises:
        ResourceError: it is not installed.
    """
    return from_extra("huggingface_hub", "the hub needs", "hub")


def is_offline() -> bool:
    """Whether the library is told to stay off the network (HF_HUB_OFFLINE)."""
    return bool(importlib.import_module("huggingface_hub.constants").HF_HUB_OFFLINE)


def check_reachable(token: str | None) -> None:
    """Refuse to upload where that cannot work, before anything is made.

    Raises:
        HubError: offline mode, or no token.
    """
    hub = library()
    if is_offline():
        raise HubError("HF_HUB_OFFLINE is set: unset it to upload, or write a folder by save_pretrained")
    if token is None and hub.get_token() is None:
        raise HubError("there is no token for the hub: run `hf auth login`, set HF_TOKEN, or give token")


def upload(folder: Path, name: str, private: bool, token: str | None) -> str:
    """Make a repository unless it is there, and put the files of a folder into it; returns its address.

    Raises:
        HubError: no token, no right to write, offline, or no connection.
    """
    check_reachable(token)
    with _told(name):
        api = library().HfApi(token=token, library_name="ratescape", library_version=__version__)
        repository = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository.repo_id, folder_path=str(folder), commit_message=f"Upload by ratescape {__version__}"
        )
        return str(repository)


def full_name(name: str, token: str | None) -> str:
    """A repository's name with its owner's: that of the token, unless it is given."""
    if "/" in name:
        return name
    with _told(name):
        return f"{library().HfApi(token=token).whoami()['name']}/{name}"


def download(name: str, revision: str | None, token: str | None) -> Path:
    """The folder of a repository's files in the library's cache; offline, what is there already.

    Raises:
        HubError: no such repository, no right to read it, or no connection.
    """
    with _told(name, "read"):
        return Path(
            library().snapshot_download(
                name,
                revision=revision,
                token=token,
                allow_patterns=PATTERNS,
                library_name="ratescape",
                library_version=__version__,
            )
        )


_REMEDIES = {
    "LocalTokenNotFoundError": "there is no token for the hub: run `hf auth login`, set HF_TOKEN, or give token",
    "GatedRepoError": "{name} is gated: ask for access on its page, and give a token",
    "RepositoryNotFoundError": "there is no repository {name}, or it is private: check the name, and give a token",
    "RevisionNotFoundError": "{name} has no such revision: check revision",
    "HFValidationError": "{name} is no name of a repository: write OWNER/NAME, of letters, digits, dots and dashes",
    "OfflineModeIsEnabled": "HF_HUB_OFFLINE is set, and {name} has not been downloaded: unset it",
    "LocalEntryNotFoundError": "{name} cannot be reached, and has not been downloaded before: check the connection "
    "(or unset HF_HUB_OFFLINE)",
    "IncompleteSnapshotError": "{name} was downloaded in part only: unset HF_HUB_OFFLINE, and download it again",
}
"""What to say of the library's errors, by the names of their classes."""


@contextlib.contextmanager
def _told(name: str, doing: str = "write") -> Iterator[None]:
    """Whatever the library raises is one line that names the repository and the remedy."""
    try:
        yield
    except RatescapeError:
        raise
    except Exception as error:  # whatever the library and what it stands on make of a network
        chain = list(_causes(error))
        statuses = [getattr(getattr(one, "response", None), "status_code", 0) for one in chain]
        down = next((status for status in statuses if status == 429 or status >= 500), None)
        if down is not None:
            raise HubError(f"the hub answers {down} for {name}: try again later") from error
        for kind in (kind for one in chain for kind in type(one).__mro__):
            if kind.__name__ in _REMEDIES:
                raise HubError(_REMEDIES[kind.__name__].format(name=name)) from error
        refused = next((status for status in statuses if status in (401, 403)), None)
        if refused is not None:
            raise HubError(f"the hub refuses the token for {name} ({refused}): give one that may {doing}") from error
        reason = ": ".join(dict.fromkeys(" ".join(str(one).split()).rstrip(".") for one in chain))[:200]
        raise HubError(f"the hub failed on {name} ({reason}): check the connection, and try again") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised from: an upload that fails is told of as such alone, the cause behind it."""
    while error is not None:
        yield error
        error = error.__cause__
