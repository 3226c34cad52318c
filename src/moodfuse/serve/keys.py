"""Bearer keys: made here, kept as hashes only, compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from moodfuse.errors import ConfigError

_HASH = re.compile(r"sha256:([0-9a-f]{64})")


def new_key() -> tuple[str, str]:
    """Return a new key and the line of the keys file that stands for it.

    A key is 256 random bits, so that a plain SHA-256 cannot be turned round; a password would need more.
    """
    key = "mf_" + secrets.token_urlsafe(32)
    return key, f"sha256:{hash_key(key)}"


def hash_key(key: str) -> str:
    """Return the SHA-256 of a key in hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def read_keys(path: Path) -> tuple[str, ...]:
    """Read a keys file: a `sha256:...` a line, `#` starts a comment. Raises `ConfigError` for anything else."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the keys file cannot be read ({error.__class__.__name__})") from None
    hashes = []
    for number, line in enumerate(lines, start=1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        found = _HASH.fullmatch(entry)
        if found is None:  # what stands there may be a key, so it is not printed
            raise ConfigError(
                f"{path} line {number}: expected sha256: and 64 hexadecimal digits; "
                "`moodfuse serve --new-key` makes one"
            )
        hashes.append(found[1])
    if not hashes:
        raise ConfigError(f"{path}: holds no key; `moodfuse serve --new-key` makes one")
    return tuple(hashes)


def presented_key(authorization: str | None) -> str | None:
    """Return the key of an Authorization header: `Bearer KEY`, or the password of `Basic`, which browsers ask for."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2] or None
        except (binascii.Error, ValueError):
            return None
    return None


def is_known(key: str | None, hashes: Iterable[str]) -> bool:
    """Say whether a key is one of those whose hashes are given; the time taken tells nothing about them."""
    given = hash_key(key or "")
    matches = [hmac.compare_digest(given, known) for known in hashes]  # all of them, always
    return key is not None and any(matches)
