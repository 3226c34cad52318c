"""Several encoders of a modality: which are taken, which refused, and what their vectors become."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from moodfuse.config import Config, DataConfig, Modality
from moodfuse.data.lexicon import lexicon_scores
from moodfuse.data.posts import Post, Posts
from moodfuse.errors import ConfigError
from moodfuse.learn.assembly import check_model, encoder_sources, open_modalities
from moodfuse.learn.bundling import export_bundle
from moodfuse.learn.encoders import Encoded, Features, find_encoder
from moodfuse.learn.encoders.base import VectorPart
from moodfuse.learn.encoders.features import join_features
from moodfuse.learn.encoders.joined import JoinedSource
from moodfuse.learn.feature_folder import feature_folder
from moodfuse.learn.fusion import fusions
from moodfuse.learn.model import MissingToken
from moodfuse.learn.parts import fit_parts, open_data
from moodfuse.settings import build_config, parse_overrides

LABELS = ["positive", "negative", "neutral", "negative"]
SEVERAL = {"text": "model.text=[minilm,vader]", "image": "model.image=[efficientnet-lite0,efficientnet-lite2]"}


def config(*words: str) -> Config:
    return build_config([parse_overrides(words)])


@pytest.mark.parametrize("modality", ["text", "image"])
@pytest.mark.parametrize("name", sorted(fusions()))
def test_every_fusion_takes_several_or_says_why_not(name: str, modality: Modality) -> None:
    several = config(f"model.fusion={name}", SEVERAL[modality])
    reads = fusions()[name].reads(modality) if modality in fusions()[name].modalities else "nothing"
    if reads in {"pooled", "nothing"}:
        check_model(several)
        return
    with pytest.raises(ConfigError, match=rf"^model\.{modality}: .*fusion {name} reads (the )?{reads}") as told:
        check_model(several)
    assert "\n" not in str(told.value)


def test_a_fusion_of_tokens_names_those_that_read_vectors() -> None:
    with pytest.raises(ConfigError, match=r"efficientnet-lite2 would be ignored; name efficientnet-lite0 .*concat"):
        check_model(config("model.fusion=single_stream", SEVERAL["image"]))
    with pytest.raises(ConfigError, match=r"vader has no tokens, which fusion single_stream reads"):
        check_model(config("model.fusion=single_stream", "model.text=vader"))


@pytest.mark.parametrize("regime", ["end_to_end", "two_stage"])
@pytest.mark.parametrize("names", ["[minilm,vader]", "[vader,minilm]"])
def test_of_several_none_trains_and_the_way_is_shown(regime: str, names: str) -> None:
    way = names.strip("[]").replace("minilm", "runs/NAME")
    with pytest.raises(ConfigError, match=rf"train minilm alone .*model\.text=\[{way}\] train\.regime=frozen"):
        check_model(config(f"model.text={names}", f"train.regime={regime}"))
    # The encoder that trains stands alone; those that stay frozen beside it may be several.
    check_model(config(SEVERAL["image"], f"train.regime={regime}", "train.tune=[text]"))


def test_a_lexicon_has_nothing_to_train_and_reads_capitals() -> None:
    with pytest.raises(ConfigError, match=r"vader has nothing to train; take text out of train\.tune"):
        check_model(config("model.text=vader", "train.regime=end_to_end"))
    with pytest.raises(ConfigError, match="vader: reads capitals"):
        check_model(config(SEVERAL["text"], "data.cleaning.lower=true"))
    with pytest.raises(ConfigError, match="'vader' is an encoder of text"):
        check_model(config("model.image=[efficientnet-lite0,vader]"))


def test_a_joined_source_is_its_parts_in_order() -> None:
    [source] = encoder_sources(config("model.fusion=text", SEVERAL["text"])).values()
    [reverse] = encoder_sources(config("model.fusion=text", "model.text=[vader,minilm]")).values()
    assert isinstance(source, JoinedSource)
    assert source.name == "minilm + vader"
    assert source.fingerprint() != reverse.fingerprint()
    assert source.vector_parts(388) == (VectorPart(384), VectorPart(4, normalise=False))
    assert reverse.vector_parts(388) == (VectorPart(4, normalise=False), VectorPart(384))


def test_each_view_is_normalised_by_itself_and_scores_stay_as_they_are() -> None:
    missing = MissingToken(10, [VectorPart(3), VectorPart(4, normalise=False), VectorPart(3)])
    vectors = 10 * torch.randn(5, 10, generator=torch.Generator().manual_seed(0))
    present = torch.tensor([True, True, False, True, True])
    pooled = missing(Encoded(vectors), present).pooled.detach()
    for start in (0, 7):
        part = pooled[present][:, start : start + 3]
        torch.testing.assert_close(part.mean(1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(pooled[present][:, 3:7], vectors[present][:, 3:7])
    torch.testing.assert_close(pooled[2], missing.token.detach())
    # An encoder a thousand times as loud as the others changes nothing.
    louder = torch.cat([vectors[:, :7], 1000 * vectors[:, 7:]], 1)
    torch.testing.assert_close(missing(Encoded(louder), present).pooled, pooled, atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="do not make a vector 9 wide"):
        MissingToken(9, [VectorPart(3), VectorPart(4)])


def test_joined_features_need_every_view() -> None:
    row = {"pooled": np.ones(2, np.float32), "tokens": np.ones((3, 2), np.float32)}
    other = {"pooled": np.full(4, 2, np.float32)}
    joined = join_features([Features([row, row, None], 2), Features([other, None, None], 4)])
    assert joined.width == 6
    assert joined.present.tolist() == [True, False, False]
    assert joined.rows[0] is not None
    assert joined.rows[0]["pooled"].tolist() == [1, 1, 2, 2, 2, 2]
    assert joined.rows[0]["tokens"].shape == (3, 2)
    assert join_features([Features([None], 0), Features([None], 0)]).width == 0


def test_features_are_those_of_each_encoder_alone(tiny_bert: Path) -> None:
    texts = ["what a great day", None, "NOT good", "https://t.co/x"]
    posts = Posts([Post(str(i), text, None, "neutral") for i, text in enumerate(texts)])
    names = [str(tiny_bert), "vader"]
    opened = [
        open_modalities(posts, config("model.fusion=text").model_copy(update={"model": model}))["text"]
        for model in (
            config("model.fusion=text", f"model.text={given}").model for given in (f"[{','.join(names)}]", *names)
        )
    ]
    both, *alone = [one.features for one in opened]
    for i in (0, 2):
        np.testing.assert_array_equal(both.rows[i]["pooled"], np.concatenate([f.rows[i]["pooled"] for f in alone]))
        np.testing.assert_allclose(both.rows[i]["pooled"][-4:], lexicon_scores(texts[i]), atol=1e-3)  # float16
    assert both.present.tolist() == [True, False, True, False]
    source = opened[0].source
    live = source.live(posts)
    encoded = source.load().eval()(*live.batch([0, 2]))
    np.testing.assert_allclose(
        encoded.pooled.detach().numpy(), np.stack([both.rows[i]["pooled"] for i in (0, 2)]), atol=2e-3
    )
    assert live.present.tolist() == both.present.tolist()


def test_a_lexicon_is_found_by_name_and_its_hash_is_its_fingerprint() -> None:
    source = find_encoder("vader", "text", DataConfig())
    assert source.weights == ()
    assert source.fingerprint() == find_encoder("vader", "text", DataConfig(max_tokens=64)).fingerprint()


def test_models_that_clean_texts_differently_do_not_share_features() -> None:
    posts = Posts([Post("0", "a #great day", None, "positive")])
    words = ("model.fusion=text", "model.text=vader")
    configs = [config(*words, f"data.cleaning.hashtags={how}") for how in ("strip", "drop")]
    with feature_folder(posts, configs) as features:
        opened = [features(one)["text"].features for one in configs]
    for found, text in zip(opened, ("a great day", "a day"), strict=True):
        assert found is not None
        assert found.rows[0] is not None
        assert found.rows[0]["pooled"] == pytest.approx(lexicon_scores(text), abs=1e-3)


def test_several_encoders_ship_in_the_precision_that_was_asked_for(tmp_path: Path) -> None:
    texts = ["what a great day", "a bad one", "so so", "no"]
    posts = Posts([Post(str(i), text, None, label) for i, (text, label) in enumerate(zip(texts, LABELS, strict=True))])
    asked = config(
        "model.fusion=text",
        SEVERAL["text"],
        "export.text=int8",
        "train.epochs=1",
        "train.monitor=none",
        "train.patience=0",
    )
    parts = {"train": posts.ids, "validation": []}
    data = open_data(posts, parts, asked)
    model, _ = fit_parts(data, asked)
    bundle = export_bundle(model, data.modalities, asked, tmp_path / "b", posts, name="b")
    assert bundle.manifest.precision == {"text": "int8"}
    assert bundle.path("text.onnx").stat().st_size < 30_000_000
    graph = onnx.load_model_from_string(bundle.path("text.onnx").read_bytes())
    assert onnx.TensorProto.INT8 in {tensor.data_type for tensor in graph.graph.initializer}
