"""The configuration of a run as in its file, written by any version; and settings with dotted names."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ConfigDict, JsonValue, RootModel

from moodfuse.config import Config, Modality
from moodfuse.records.record import Record
from moodfuse.settings import build_config


class StoredConfig(RootModel[dict[str, JsonValue]]):
    """Nested settings. A missing setting is `None`: an older version wrote the file, or the file is damaged."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def from_config(cls, config: Config) -> StoredConfig:
        """Return every setting of a configuration, including the defaults."""
        return cls(config.model_dump(mode="json"))

    def resolved(self) -> Config:
        """Return this version's configuration. Raises `ConfigError` for settings that this version does not know."""
        return build_config([self.root])

    def flat(self) -> dict[str, JsonValue]:
        """Return the settings with dotted names: `optim.lr`."""
        return flat(self.root)

    def setting(self, key: str) -> JsonValue:
        """Return the setting of a dotted name, `None` if it is missing."""
        value: JsonValue = self.root
        for name in key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return value

    @property
    def fusion(self) -> str | None:
        return _text(self.setting("model.fusion"))

    def encoder(self, modality: Modality) -> str | None:
        """Return the name of a modality's encoder, or the names of several, joined."""
        return _text(self.setting(f"model.{modality}"))

    @property
    def options(self) -> dict[str, JsonValue]:
        """The options of the fusion."""
        found = self.setting("model.options")
        return found if isinstance(found, dict) else {}

    @property
    def labels(self) -> list[str]:
        found = self.setting("labels")
        return [str(name) for name in found] if isinstance(found, list) else []

    @property
    def holds_out(self) -> bool:
        """Whether test posts are held out; if not, every post trains and the scores are cross-validated."""
        return self.setting("split.hold_out") is not False

    @property
    def validates_only(self) -> bool:
        """Whether no post is held out for a test: the scores are then of the posts that chose."""
        return bool(self.setting("split.validation"))

    @property
    def seed(self) -> int | None:
        found = self.setting("seed")
        return found if isinstance(found, int) else None

    @property
    def regime(self) -> str | None:
        """Which encoders train, and when."""
        return _text(self.setting("train.regime"))

    @property
    def monitor(self) -> str | None:
        """The validation score by which the best epoch is chosen."""
        return _text(self.setting("train.monitor"))

    @property
    def members(self) -> int:
        """The number of trainings whose weights are averaged."""
        found = self.setting("train.members")
        return found if isinstance(found, int) else 1


class TrainedAlong(Record):
    """A corpus of `data.also_train`: its posts, how many near-duplicates were left out, the share an epoch draws."""

    source: str
    posts: int
    left_out: int
    share: float

    def sentence(self) -> str:
        """Return the facts in words."""
        drawn = "" if self.share == 1 else f" (an epoch draws {self.share:.0%} of them)"
        left = f"; {self.left_out:,} near-duplicates of the posts left out" if self.left_out else ""
        return f"{self.source}: {self.posts:,} posts train along{drawn}, never tested on{left}"


def flat(settings: Mapping[str, JsonValue], prefix: str = "") -> dict[str, JsonValue]:
    """Return nested settings with dotted names; an empty mapping is a value."""
    found: dict[str, JsonValue] = {}
    for key, value in settings.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return found


def _text(value: JsonValue) -> str | None:
    if value is None:
        return None
    return " + ".join(map(str, value)) if isinstance(value, list) else str(value)
