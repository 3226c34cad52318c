"""Under which settings and on which machine a result came about."""

from __future__ import annotations

from typing import Any

from moodfuse.records.tolerant import flat
from moodfuse.report.document import Block, Facts, Listing, Notice, Value


def configuration_blocks(config: dict[str, Any]) -> list[Block]:
    """Return every setting, folded away."""
    if not config:
        return [Notice("No configuration is on disk.")]
    lines = [f"{key}: {_plain(value)}" for key, value in flat(config).items()]
    return [Listing(f"All {len(lines)} settings", "\n".join(lines))]


def environment_blocks(environment: dict[str, Any]) -> list[Block]:
    """Return versions, machine and command."""
    if not environment:
        return [Notice("No environment is on disk.")]
    packages = environment.get("packages") or {}
    facts: list[tuple[str, Value]] = [
        ("moodfuse", environment.get("moodfuse")),
        ("source revision", str(environment.get("git") or "–")[:12]),
        ("Python", environment.get("python")),
        ("platform", environment.get("platform")),
        ("posts, SHA-256", str(environment.get("data_sha256", "–"))[:16]),
        *[(name, version) for name, version in packages.items()],
    ]
    command = [str(word) for word in environment.get("command") or []][1:]
    blocks: list[Block] = [Facts(facts)]
    return [*blocks, Listing("Command", " ".join(["moodfuse", *command]))] if command else blocks


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, {}, "") else str(value)
