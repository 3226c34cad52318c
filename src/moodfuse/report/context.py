"""The settings and the machine that a result was computed with."""

from __future__ import annotations

from pydantic import JsonValue

from moodfuse.records.configuration import StoredConfig
from moodfuse.records.environment import Environment
from moodfuse.report.document import Block, Facts, Listing, Notice, Value


def configuration_blocks(config: StoredConfig) -> list[Block]:
    """Return every setting in a folded list."""
    lines = [f"{key}: {_plain(value)}" for key, value in config.flat().items()]
    if not lines:
        return [Notice("No configuration is on disk.")]
    return [Listing(f"All {len(lines)} settings", "\n".join(lines))]


def environment_blocks(environment: Environment | None) -> list[Block]:
    """Return versions, machine and command."""
    if environment is None:
        return [Notice("No environment is on disk.")]
    facts: list[tuple[str, Value]] = [
        ("moodfuse", environment.moodfuse),
        ("source revision", (environment.git or "–")[:12]),
        ("Python", environment.python),
        ("platform", environment.platform),
        ("posts, SHA-256", (environment.data_sha256 or "–")[:16]),
        *environment.packages.items(),
    ]
    command = environment.command[1:]
    blocks: list[Block] = [Facts(facts)]
    return [*blocks, Listing("Command", " ".join(["moodfuse", *command]))] if command else blocks


def _plain(value: JsonValue) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, {}, "") else str(value)
