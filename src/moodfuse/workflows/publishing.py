"""Publish: a bundle onto the Hugging Face Hub, whole, in one commit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moodfuse.errors import OutputError, in_a_line
from moodfuse.runtime.bundle import MANIFEST, SEAL, Bundle, read_bundle
from moodfuse.runtime.hub import HubAddress, downloads_are_off, require_hub
from moodfuse.workflows.hub_card import hub_card

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class Published:
    """A bundle on the Hub: its address, pinned to the commit that it was published with, and its page."""

    address: HubAddress
    url: str
    files: int
    bytes: int


def push_bundle(
    folder: Path, repo: str, *, licence: str, datasets: Sequence[str] = (), private: bool = False
) -> Published:
    """Publish the bundle or run in `folder` as `repo` (USER/NAME), which is made where it is not there.

    The bundle is checked first. `licence` and `datasets` are ids as the Hub has them, and stand in the model card.
    Raises `BundleError` for what is no whole bundle, `OutputError` where it cannot be published.
    """
    if not _REPO.fullmatch(repo):
        raise OutputError(f"{repo}: expected USER/NAME, the account and the name of the model on the Hub")
    bundle = read_bundle(folder)
    require_hub()
    if downloads_are_off():
        raise OutputError(f"{repo}: publishing needs the Hub, and HF_HUB_OFFLINE turns it off; unset it")
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    card = hub_card(bundle, repo, licence, datasets)
    try:
        return _commit(bundle, repo, card.encode(), private)
    except RepositoryNotFoundError as error:
        raise OutputError(f"{repo}: you may not write there ({in_a_line(error)}); hf auth login, or HF_TOKEN") from None
    except (OSError, HfHubHTTPError, ValueError) as error:  # ValueError: metadata that the Hub refuses
        raise OutputError(f"{repo}: cannot be published ({in_a_line(error)}); try again, or hf auth login") from None


def _commit(bundle: Bundle, repo: str, card: bytes, private: bool) -> Published:
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi()
    made = api.create_repo(repo, private=private, exist_ok=True)
    paths = [bundle.path(name) for name in (MANIFEST, SEAL, *bundle.manifest.files)]
    added = [CommitOperationAdd("README.md", card), *(CommitOperationAdd(path.name, path) for path in paths)]
    version = bundle.manifest.moodfuse
    done = api.create_commit(repo, added, commit_message=f"Publish {bundle.manifest.name} of moodfuse {version}")
    size = sum(path.stat().st_size for path in paths)
    return Published(HubAddress(repo, done.oid), str(made), len(added), size + len(card))
