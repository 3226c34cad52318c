"""Bundles of the Hugging Face Hub: `hf://USER/NAME@REVISION`, as a folder of this machine."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from moodfuse import files
from moodfuse.errors import BundleError, MissingExtraError, in_a_line
from moodfuse.runtime.bundle import MANIFEST, SEAL, default_bundle, read_bundle, read_manifest

#: As a `Path` it has lost a slash.
_ADDRESS = re.compile(r"hf:/{1,2}(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[^\s@]+))?")


class HubAddress(NamedTuple):
    """A bundle of the Hub; `revision` is a commit, a tag or a branch, `None` the main branch as it is now."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"hf://{self.repo}" + (f"@{self.revision}" if self.revision else "")

    @classmethod
    def parse(cls, text: str) -> HubAddress:
        """Read an address. Raises `BundleError` for what is none."""
        if (found := _ADDRESS.fullmatch(text)) is None:
            raise BundleError(f"{text}: expected hf://USER/NAME or hf://USER/NAME@REVISION")
        return cls(found["repo"], found["revision"])


def find_bundle(named: str | Path | None) -> Path:
    """Return the folder of a bundle: of a path, of an address of the Hub, or of the model that moodfuse brings."""
    if named is None:
        return default_bundle()
    text = Path(named).as_posix()
    return download_bundle(HubAddress.parse(text)) if text.startswith("hf:/") else Path(named)


def download_bundle(address: HubAddress) -> Path:
    """Return the folder of a bundle of the Hub; what of it is not on this machine is downloaded.

    Its manifest and seal come first: no file is asked for that they do not name, and all come from one commit. What is
    kept is whole (`read_bundle`). A commit that is here is not asked for again; nothing is, where downloads are off
    (`downloads_are_off`). Raises `BundleError` where it cannot be had, or is not what was exported.
    """
    manifest = Path(_download(address, MANIFEST))
    pinned = HubAddress(address.repo, manifest.parent.name)  # the Hub's cache has a folder for each commit
    folder = files.cache_folder() / "bundles" / address.repo.replace("/", "--") / manifest.parent.name
    if (folder / SEAL).is_file():
        return folder
    with files.replacing_folder(folder) as part:
        try:
            for name in (MANIFEST, SEAL):
                shutil.copyfile(_download(pinned, name), part / name)
            for name in read_manifest(part).files:
                shutil.copyfile(_download(pinned, name), part / name)  # the cache holds links, a bundle none
            read_bundle(part)
        except BundleError as error:
            raise BundleError(str(error).replace(str(part), str(pinned))) from None
    return folder


def downloads_are_off() -> bool:
    """Say whether the Hub must not be asked: `--offline`, or the variable HF_HUB_OFFLINE."""
    from huggingface_hub import constants

    # The library reads the variable only once, when it is imported.
    return constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def require_hub() -> None:
    """Raise `MissingExtraError` where `huggingface_hub` is not installed."""
    try:
        import huggingface_hub  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError(
            "the Hugging Face Hub needs huggingface_hub, which is not installed; pip install 'moodfuse[hub]'"
        ) from None


def _download(address: HubAddress, name: str) -> str:
    """Return where a file of the Hub lies in its cache on this machine."""
    require_hub()
    from huggingface_hub import errors, hf_hub_download

    off = downloads_are_off()
    try:
        return hf_hub_download(address.repo, name, revision=address.revision, local_files_only=off)
    except errors.GatedRepoError:
        raise BundleError(f"{address}: its authors ask you to accept their terms on the Hub first") from None
    except errors.RevisionNotFoundError:
        raise BundleError(f"{address}: the Hub has no commit, tag or branch of that name") from None
    except errors.RepositoryNotFoundError:
        raise BundleError(f"{address}: as far as you may read, the Hub has no model of that name (HF_TOKEN)") from None
    except errors.LocalEntryNotFoundError as error:
        if off:
            raise BundleError(
                f"{address}: {name} is not on this machine, and downloads are off (--offline, HF_HUB_OFFLINE)"
            ) from None
        raise BundleError(f"{address}: {name} cannot be downloaded ({in_a_line(error)}); try again") from None
    except errors.EntryNotFoundError:
        raise BundleError(f"{address}: no bundle there: it has no {name}; `moodfuse push` makes one") from None
    except (OSError, errors.HfHubHTTPError) as error:
        raise BundleError(f"{address}: {name} cannot be downloaded ({in_a_line(error)}); try again") from None
