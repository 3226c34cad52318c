"""Stacking: fitted on posts that the classifiers had not seen, and baked into the head."""

from pathlib import Path

import pytest
import torch

from moodfuse.data.formats.readers import read_posts
from moodfuse.errors import ConfigError
from moodfuse.learn.assembly import check_model
from moodfuse.learn.encoders import Encoded
from moodfuse.learn.fit.checkpoints import load_model_state
from moodfuse.learn.fusion import Shapes, build_fusion
from moodfuse.learn.recipes import resolve_config
from moodfuse.workflows.training import train

STACKED = {"model": {"options": {"rule": "stacked"}}}


def test_until_it_is_fitted_the_stacker_averages_the_logits() -> None:
    stacked, averaged = (
        build_fusion("decision", Shapes(4, 5, 3), {"rule": rule, "of": "logits"}) for rule in ("stacked", "average")
    )
    averaged.load_state_dict({key: value for key, value in stacked.state_dict().items() if "stack" not in key})
    given = Encoded(torch.randn(6, 4)), Encoded(torch.randn(6, 5))
    torch.testing.assert_close(stacked(*given), averaged(*given))


def test_the_stacker_is_fitted_after_training_and_the_bundle_holds_it(synthetic_folder: Path, tmp_path: Path) -> None:
    config = resolve_config("decision", overrides=[STACKED, {"train": {"epochs": 4, "batch_size": 16}}])
    result = train(read_posts(synthetic_folder), config, name="stacked", runs=tmp_path)
    assert result.bundle.manifest.parity["probability"] <= 1e-4  # of the model with its stacker against the bundle
    assert result.metrics.test.accuracy >= 0.6  # the planted signal stands in both modalities
    checkpoints = result.run.path / "checkpoints"
    states = [load_model_state(checkpoints / f"stacking-{fold}" / "best.safetensors") for fold in range(5)]
    assert not torch.equal(states[0]["fusion.text.weight"], states[1]["fusion.text.weight"])


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"train": {"regime": "end_to_end"}}, "use train.regime=frozen"), ({"model": {"auxiliary": 0}}, "auxiliary=1")],
)
def test_stacking_without_unseen_logits_is_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_model(resolve_config("decision", overrides=[STACKED, settings]))


def test_stacking_over_the_encoder_of_another_run_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "first"
    (folder / "checkpoints").mkdir(parents=True)
    tuned = {"model": {"text": str(tiny_bert)}, "train": {"regime": "end_to_end"}}
    (folder / "config.yaml").write_text(resolve_config("text", overrides=[tuned]).to_yaml())
    (folder / "checkpoints" / "best.safetensors").touch()
    with pytest.raises(ConfigError, match="that no run has trained"):
        check_model(resolve_config("decision", overrides=[STACKED, {"model": {"text": str(folder)}}]))
