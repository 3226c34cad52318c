"""The configuration: what it refuses, what it offers instead, and its way through YAML."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from moodfuse.config import Config, idle_settings
from moodfuse.errors import ConfigError
from moodfuse.learn.assembly import check_model
from moodfuse.learn.encoders import HUB_MODELS
from moodfuse.learn.fusion import find_fusion, fusion_options, fusions
from moodfuse.learn.recipes import original_names, recipe_layers, recipe_names, resolve_config
from moodfuse.learn.recipes.course_reports import course_reports
from moodfuse.learn.search.space import first_points, with_settings
from moodfuse.settings import build_config, describe_fields, load_yaml, parse_overrides, split_axes

PACKAGED = {"text": "minilm", "image": "efficientnet-lite0"}
#: The names that the recipes of the reports had when each system had one.
OLD_NAMES = ["cma", "concat", "cross_attention", "dual_stream", "early", "gated", "image", "late", "mha"]
OLD_NAMES += ["residual_attention", "single_stream", "text", "transformer"]


@pytest.mark.parametrize(
    ("word", "offered"),
    [
        ("optm.lr=1", r"optim\.lr"),
        ("optim.learning_rte=1", r"did you mean .*optim\.lr"),
        ("train.epoch=3", r"did you mean train\.epochs"),
        ("lr=1", r"did you mean optim\.lr\?"),  # the right name in no section
        ("train.dropout=0.1", r"did you mean model\.dropout\?"),  # the right name in another section
    ],
)
def test_an_unknown_key_names_the_nearest_ones(word: str, offered: str) -> None:
    with pytest.raises(ConfigError, match=offered):
        build_config([parse_overrides([word])])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("optim.lr=-1", r"optim\.lr: .*greater than 0, found -1"),
        ("optim.lr=nan", r"optim\.lr"),
        ("train.epochs=0", r"train\.epochs: .*found 0"),
        ("data.max_tokens=abc", r"data\.max_tokens: .*integer.*found 'abc'"),
        ("seed=1.5", r"seed: .*found 1\.5"),
        ("seed=99999999999999999999", "seed: .*less than"),  # PyTorch and numpy take no such seed
        ("split.seed=5000000000", r"split\.seed: .*less than"),
        ("train.device=cuda", r"train\.device: .*'gpu'.*found 'cuda'"),
        ("optim=3", "optim: .*found 3"),
        ("model.options=3", r"model\.options: .*found 3"),
        ("model.one_modality=auxiliary", "set model.auxiliary above 0"),
        ("model.text=[minilm,minilm]", r"model\.text: .*each encoder once, found minilm, minilm"),
        ("model.image=[]", r"model\.image: .*a name or a list of names, found \[\]"),
        ("model.text=[minilm,3]", r"model\.text: .*found \['minilm', 3\]"),
        ("model.text=", r"model\.text: .*found None"),
    ],
)
def test_a_bad_value_is_told_with_its_key(word: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as told:
        build_config([parse_overrides([word])])
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("word", ["optim.lr", "=3", "optim..lr=3", ".lr=3", "optim.lr=[", "labels=a: b: c"])
def test_an_override_that_is_none_is_refused_with_what_it_says(word: str) -> None:
    with pytest.raises(ConfigError, match=r"expected KEY=VALUE|not YAML") as told:
        parse_overrides([word])
    assert repr(word) in str(told.value)
    assert "\n" not in str(told.value)


def test_overrides_are_read_as_yaml_and_nest() -> None:
    words = ["optim.lr=3e-5", "optim.clip=0", "train.tune=[text, image]", "model.options={width: 8}", "seed=7"]
    assert parse_overrides(words) == {
        "optim": {"lr": 3e-5, "clip": 0},
        "train": {"tune": ["text", "image"]},
        "model": {"options": {"width": 8}},
        "seed": 7,
    }
    assert parse_overrides(["seed=1", "seed=2"]) == {"seed": 2}
    assert parse_overrides(["model.text=/a=b"]) == {"model": {"text": "/a=b"}}


def test_later_layers_win_and_leave_the_rest() -> None:
    config = build_config([{"optim": {"lr": 0.1, "clip": 3}}, {"optim": {"lr": 0.2}}])
    assert (config.optim.lr, config.optim.clip) == (0.2, 3)


def test_layers_are_not_altered_by_what_is_laid_over_them() -> None:
    below = {"optim": {"lr": 0.1}}
    build_config([below, {"optim": {"lr": 0.2}}])
    assert below == {"optim": {"lr": 0.1}}


@pytest.mark.parametrize("recipe", [None, *recipe_names(), *original_names()])
def test_yaml_gives_the_same_configuration_back(recipe: str | None, tmp_path: Path) -> None:
    config = resolve_config(recipe, overrides=[parse_overrides(["optim.lr=3e-5", "labels=[ja, nein]"])])
    (tmp_path / "config.yaml").write_text(config.to_yaml(), "utf-8")
    assert build_config([load_yaml(tmp_path / "config.yaml")]) == config


def test_encoders_are_one_name_or_several_in_order(tmp_path: Path) -> None:
    one = build_config([parse_overrides(["model.text=[minilm]"])])
    assert one == build_config([])  # a list of one is that one, and is written so
    assert one.model.encoders("text") == ("minilm",)
    config = build_config([parse_overrides(["model.text=[vader,minilm]"])])
    assert config.model.encoders("text") == ("vader", "minilm")
    assert config.model.encoders("image") == ("efficientnet-lite0",)
    (tmp_path / "config.yaml").write_text(config.to_yaml(), "utf-8")
    assert build_config([load_yaml(tmp_path / "config.yaml")]) == config
    assert config != build_config([parse_overrides(["model.text=[minilm,vader]"])])


@pytest.mark.parametrize("content", ["a: [1", "- 1", "", "text"])
def test_a_file_that_is_no_mapping_is_refused_by_name(content: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"config\.yaml") as told:
        load_yaml(path)
    assert "\n" not in str(told.value)
    with pytest.raises(ConfigError, match="nowhere"):
        load_yaml(tmp_path / "nowhere.yaml")


def test_every_setting_has_a_help_text() -> None:
    assert [key for key, _, text in describe_fields() if not text] == []
    keys = [key for key, _, _ in describe_fields()]
    assert "optim.lr" in keys
    assert "data.cleaning.urls" in keys


def test_the_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Config().seed = 3  # type: ignore[misc]


def test_an_unknown_recipe_names_the_nearest_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown recipe 'gate'.*gated"):
        recipe_layers("gate")


def test_the_regime_of_the_upper_layers_brings_its_own_epochs() -> None:
    frozen, tuned = (resolve_config("concat", overrides=[{"train": {"regime": r}}]) for r in ("frozen", "end_to_end"))
    assert frozen.train.epochs != tuned.train.epochs
    assert resolve_config("concat", overrides=[{"train": {"regime": "end_to_end", "epochs": 2}}]).train.epochs == 2


@pytest.mark.parametrize("recipe", ["cma", "mha", "cross_attention"])
def test_the_pace_of_a_recipe_for_frozen_encoders_does_not_hold_where_they_train(recipe: str) -> None:
    def pace(recipe: str, regime: str) -> tuple[int, int, int]:
        train = resolve_config(recipe, overrides=[{"train": {"regime": regime}}]).train
        return train.epochs, train.patience, train.batch_size

    assert pace(recipe, "end_to_end") == pace("concat", "end_to_end")
    assert pace(recipe, "two_stage") == pace(recipe, "frozen") != pace("concat", "frozen")
    assert pace("quality", "end_to_end")[0] == 8  # a recipe for encoders that train keeps its own


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "train.freeze=2",
            r"train\.freeze=2 does nothing with train\.regime=frozen; leave it out, or set train\.regime=",
        ),
        ("optim.layer_decay=0.9", r"optim\.layer_decay=0\.9 does nothing with train\.regime=frozen"),
        ("train.augment=[crop,flip]", r"train\.augment=\[crop,flip\] does nothing .* or train the image encoder"),
        ("train.image_epochs=2 train.regime=two_stage", r"train\.image_epochs=2 does nothing .* train\.tune=\[image\]"),
        ("train.stage_epochs=2", r"train\.stage_epochs=2 does nothing .* or set train\.regime=two_stage"),
        ("train.regime=end_to_end train.stage_batch_size=8", r"stage_batch_size=8 does nothing with .*end_to_end"),
        ("train.regime=end_to_end train.augment=[flip]", r"does nothing with .*end_to_end train\.tune=\[text\]"),
        ("train.regime=two_stage train.augment=[flip]", r"train\.augment=\[flip\] does nothing"),
        ("optim.text_lr=1e-5", r"optim\.text_lr=1e-05 does nothing .* or train the text encoder"),
        ("train.regime=end_to_end optim.image_lr=1e-3", r"optim\.image_lr=0\.001 does nothing .*train\.tune=\[text\]"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(words: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_model(resolve_config("concat", overrides=[parse_overrides(words.split())]))


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("early", "train.augment=[crop,flip]"),  # its pixels train, whatever the encoders do
        ("concat", "train.regime=two_stage train.tune=[text,image] train.augment=[flip] train.freeze=1"),
        ("concat", "train.regime=end_to_end train.tune=[image] train.augment=[flip] optim.layer_decay=0.9"),
        ("concat", "train.regime=end_to_end train.tune=[text,image] optim.text_lr=1e-5 optim.image_lr=1e-3"),
        ("concat", "train.freeze=0 train.augment=[] train.stage_epochs=4"),
        *((recipe, "") for recipe in recipe_names() if recipe != "quality"),  # whose encoders are on a hub
        # What the recipe says of encoders that train goes with the regime that it says it for.
        ("default", "train.regime=frozen"),
        ("default", "train.regime=two_stage split.hold_out=true"),
    ],
)
def test_a_setting_that_does_something_is_taken(recipe: str, words: str) -> None:
    given = parse_overrides(words.split())
    config = resolve_config(recipe, overrides=[given])
    check_model(config)  # raises nothing
    kept = config.model_dump(mode="json")
    assert all(kept[section][name] == value for section, inside in given.items() for name, value in inside.items())


@pytest.mark.parametrize("name", [*recipe_names(), *original_names()])
def test_no_recipe_says_what_would_do_nothing(name: str) -> None:
    layers = recipe_layers(name)
    for key in idle_settings(build_config(layers).train):
        section, _, setting = key.partition(".")
        assert all(setting not in layer.get(section, {}) for layer in layers), key


@pytest.mark.parametrize("name", original_names())
def test_an_original_recipe_is_its_system_with_encoders_of_its_report(name: str) -> None:
    report, _, system = name.removeprefix("original/").partition("-")
    found = course_reports()[report]
    config, recipe = resolve_config(name), resolve_config(found.systems[system].recipe)
    assert config.model.fusion == recipe.model.fusion
    assert set(config.model.options) <= set(fusion_options(find_fusion(config.model.fusion)))
    check_model(config.model_copy(update={"model": config.model.model_copy(update=PACKAGED)}))  # raises nothing
    reads = find_fusion(config.model.fusion).modalities
    assert all(getattr(config.model, modality) == found.encoders[modality] for modality in reads)
    assert all(modality in HUB_MODELS[getattr(config.model, modality)].modalities for modality in reads)


@pytest.mark.parametrize("name", OLD_NAMES)
def test_an_original_recipe_keeps_its_first_name(name: str) -> None:
    assert resolve_config(f"original/{name}").model.fusion == name


def test_the_originals_are_what_the_reports_say() -> None:
    """Spot checks of every report: encoders, regime, rates, cleaning, class weights, augmentation, grid."""
    s0, s1 = resolve_config("original/s0-cma"), resolve_config("original/s1-gated-text")
    assert (s0.train.regime, s0.train.stage_epochs, s0.train.stage_batch_size) == ("two_stage", 5, 32)
    assert (s0.optim.text_lr, s0.optim.image_lr, s0.optim.lr, s0.optim.l2) == (2e-5, 1e-3, 2e-5, 1e-5)
    assert (s1.model.text, s1.model.options["gate"]) == ("bert-base-multilingual-cased", "text")
    assert (s1.optim.text_lr, s1.optim.image_lr, s1.train.monitor) == (1e-5, 5e-4, "loss")
    assert (s1.data.cleaning.lower, s1.data.cleaning.hashtags, s1.data.cleaning.retweets) == (True, "strip", True)
    s2, s3 = resolve_config("original/s2-transformer"), resolve_config("original/s3-late")
    assert (s2.model.text, s2.model.auxiliary, s2.train.regime, s2.train.epochs) == (
        "roberta-base",
        0.2,
        "end_to_end",
        300,
    )
    assert len(first_points(s2, course_reports()["s2"].systems["transformer"].grid)) == 8
    assert (s3.model.text, s3.train.batch_size, s3.train.epochs, s3.train.patience) == ("bert-base-chinese", 16, 6, 3)
    s4 = resolve_config("original/s4-residual_attention")
    assert (s4.train.class_weights, s4.optim.schedule) == ("balanced", "cosine")
    assert set(s4.train.augment) == {"crop", "flip", "rotation90", "noise", "blur", "grid"}


def test_words_with_several_values_are_axes() -> None:
    plain, axes = split_axes(
        ["optim.lr=1e-5,2e-5", "train.tune=[text,image]", "seed=1", "model.options.gate=image,text"]
    )
    assert plain == ["train.tune=[text,image]", "seed=1"]
    assert axes == {"optim.lr": [1e-5, 2e-5], "model.options.gate": ["image", "text"]}
    for words in (["optim.lr=1e-5,1e-5"], ["optim.lr=1e-5,"]):
        with pytest.raises(ConfigError, match="expected several different values"):
            split_axes(words)


def test_a_point_of_a_grid_may_set_several_settings() -> None:
    config = with_settings(resolve_config("late"), {"optim.lr+optim.encoder_lr": 2e-5, "model.options.dropout": 0.5})
    assert (config.optim.lr, config.optim.encoder_lr, config.model.options) == (2e-5, 2e-5, {"dropout": 0.5})


def test_every_fusion_has_a_recipe() -> None:
    assert set(fusions()) <= set(recipe_names())


@pytest.mark.parametrize(
    ("section", "setting", "kept", "gone"), [("model", "ensemble", 1, 2), ("train", "strategy", "ddp", "fsdp")]
)
def test_a_configuration_that_0_1_wrote_still_opens(section: str, setting: str, kept: object, gone: object) -> None:
    assert build_config([{section: {setting: kept}}]) == build_config([])
    with pytest.raises(ConfigError, match=rf"{section}\.{setting}=.* since removed; leave it out"):
        build_config([{section: {setting: gone}}])


@pytest.mark.parametrize("value", ["2020-13-45", "[" * 5_000], ids=["date", "brackets"])
def test_yaml_that_no_reader_takes_is_one_line(tmp_path: Path, value: str) -> None:
    (tmp_path / "config.yaml").write_text(f"seed: {value}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read as YAML"):
        load_yaml(tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match="the value is not YAML"):
        parse_overrides([f"seed={value}"])
