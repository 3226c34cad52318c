"""One contract for every fusion, looped over the registry: nothing here names one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fusion_cases import (
    BRANCHES,
    REGIONS,
    SHAPES,
    SIDE,
    TOKENS,
    every,
    logits,
    make_batch,
    make_model,
    small,
    take,
    without,
)

from moodfuse.errors import ConfigError
from moodfuse.learn.encoders import Encoded
from moodfuse.learn.export import head_graph, head_inputs
from moodfuse.learn.fusion import Fusion, Shapes, build_fusion, fusion, fusion_options, fusions
from moodfuse.learn.fusion.attention import Attention
from moodfuse.learn.model import Batch, FusionModel
from moodfuse.runtime.graphs import open_session

pytestmark = pytest.mark.usefixtures("one_thread")


@every
def test_logits_have_a_row_a_post_and_a_column_a_class(name: str) -> None:
    assert logits(make_model(name), make_batch(5)).shape == (5, SHAPES.classes)


@every
def test_every_parameter_gets_a_finite_gradient(name: str) -> None:
    model = make_model(name, auxiliary=True)
    batch = make_batch(8)
    # some posts lack a modality, so that the learned tokens take part
    batch = Batch(batch.text, batch.image, torch.arange(8) != 2, torch.arange(8) != 5, batch.targets)
    output = model.train()(batch)
    loss = torch.nn.functional.cross_entropy(output.logits, batch.targets)
    for alone in (output.text, output.image):
        if alone is not None:
            loss = loss + torch.nn.functional.cross_entropy(alone, batch.targets)
    loss.backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{parameter_name} takes no part"
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().sum() > 0, f"{parameter_name} gets no gradient"


@every
def test_a_post_alone_gets_the_answer_that_it_gets_in_any_batch(name: str) -> None:
    model, batch = make_model(name), make_batch(6)
    together = logits(model, batch)
    for row in range(6):
        torch.testing.assert_close(logits(model, take(batch, [row]))[0], together[row], atol=1e-5, rtol=0)
    shuffled = [3, 0, 5, 1, 4, 2]
    torch.testing.assert_close(logits(model, take(batch, shuffled)), together[shuffled], atol=1e-5, rtol=0)


@every
def test_what_stands_at_a_padded_place_does_not_show(name: str) -> None:
    model, batch = make_model(name), make_batch(4)

    def padded(encoded: Encoded, value: float) -> Encoded:
        extra = torch.full((4, 3, encoded.tokens.shape[-1]), value)
        mask = torch.cat([encoded.mask, torch.zeros(4, 3, dtype=torch.bool)], 1)
        return replace(encoded, tokens=torch.cat([encoded.tokens, extra], 1), mask=mask)

    expected = logits(model, batch)
    for value in (0.0, 100.0):
        there = Batch(
            padded(batch.text, value),
            padded(batch.image, value),
            batch.text_present,
            batch.image_present,
            batch.targets,
        )
        torch.testing.assert_close(logits(model, there), expected, atol=1e-5, rtol=0)


@every
def test_each_modality_it_names_moves_the_logits_and_no_other_does(name: str) -> None:
    model, batch, other = make_model(name), make_batch(4), make_batch(4, seed=1)
    before = logits(model, batch)
    changed = {
        "text": Batch(other.text, batch.image, batch.text_present, batch.image_present, batch.targets),
        "image": Batch(batch.text, other.image, batch.text_present, batch.image_present, batch.targets),
    }
    for modality, variant in changed.items():
        moved = (logits(model, variant) - before).abs().max() > 1e-4
        assert moved == (modality in fusions()[name].modalities), modality


@every
@pytest.mark.parametrize("gone", [("text",), ("image",), ("text", "image")])
def test_a_missing_modality_is_a_state_that_the_model_knows(name: str, gone: tuple[str, ...]) -> None:
    model, batch = make_model(name), make_batch(4)
    answer = logits(model, without(batch, *gone))
    assert torch.isfinite(answer).all()
    torch.testing.assert_close(answer, logits(model, without(batch, *gone)), atol=0, rtol=0)
    # what stands where a modality is absent must not show
    noise = make_batch(4, seed=7)
    there = Batch(
        noise.text if "text" in gone else batch.text,
        noise.image if "image" in gone else batch.image,
        batch.text_present,
        batch.image_present,
        batch.targets,
    )
    torch.testing.assert_close(answer, logits(model, without(there, *gone)), atol=1e-6, rtol=0)
    if set(fusions()[name].modalities) <= set(gone):
        torch.testing.assert_close(answer.softmax(-1), torch.tensor([[0.2, 0.3, 0.5]]).expand(4, 3))


@every
def test_own_heads_answer_posts_of_one_modality_and_no_others(name: str) -> None:
    batch = make_batch(5)
    batch = Batch(batch.text, batch.image, torch.arange(5) < 3, torch.tensor([1, 1, 0, 1, 0]).bool(), batch.targets)
    own, fused = make_model(name, auxiliary=True, own_heads=True), make_model(name, auxiliary=True)
    with torch.no_grad():
        answer, plain = own(batch), fused(batch)
    expected = plain.logits.clone()  # rows: both, both, text alone, image alone, neither
    if len(fusions()[name].modalities) > 1:
        assert plain.text is not None
        assert plain.image is not None
        expected[2], expected[3] = plain.text[2], plain.image[3]
        assert not torch.allclose(expected[2:4], plain.logits[2:4])
    torch.testing.assert_close(answer.logits, expected, atol=0, rtol=0)


@every
def test_no_query_has_a_single_key_to_attend_to(name: str) -> None:
    model, batch = make_model(name), make_batch(3)
    fewest: list[int] = []

    def count(module: torch.nn.MultiheadAttention, args: tuple[torch.Tensor, ...], kwargs: dict[str, object]) -> None:
        hidden = kwargs.get("key_padding_mask")
        visible = args[1].shape[1] if hidden is None else int((~hidden).sum(1).min())
        fewest.append(visible + (module.bias_k is not None) + module.add_zero_attn)

    attentions = [module for module in model.modules() if isinstance(module, torch.nn.MultiheadAttention)]
    for module in attentions:
        module.register_forward_pre_hook(count, with_kwargs=True)
    for gone in ((), ("text",), ("image",), ("text", "image")):
        logits(model, without(batch, *gone))
    assert len(fewest) >= 4 * len(attentions)
    assert all(keys >= 2 for keys in fewest)


def test_attention_over_one_possible_key_is_refused_when_it_is_built() -> None:
    with pytest.raises(ConfigError, match="one possible key"):
        Attention(8, 2, fewest=1)
    Attention(8, 2, fewest=1, null_key=True)
    Attention(8, 2, fewest=2)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="divisor of the width 8, found 3"):
        Attention(8, 3, fewest=2)


@every
@pytest.mark.parametrize("own_heads", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_onnx_gives_the_same_probabilities(name: str, own_heads: bool) -> None:
    model, batch = make_model(name, auxiliary=own_heads, own_heads=own_heads), make_batch(5)
    batch = Batch(batch.text, batch.image, torch.arange(5) != 1, torch.arange(5) != 3, batch.targets)
    session = open_session(head_graph(model, {"text": SHAPES.text, "image": SHAPES.image}, side=SIDE))
    for rows, words, regions in (([0, 1, 2, 3, 4], TOKENS, REGIONS), ([3], 4, REGIONS), ([1, 2], 1, 1)):
        some = take(batch, rows)
        some = replace(some, text=first(some.text, words), image=first(some.image, regions))
        given = {
            f"{modality}_{kind}": getattr(getattr(some, modality), kind)
            for modality in ("text", "image")
            for kind in ("pooled", "tokens", "mask", "pixels")
        } | {"text_present": some.text_present, "image_present": some.image_present}
        (got,) = session.run(["logits"], {key: given[key].numpy() for key in head_inputs(model)})
        expected = logits(model, some).softmax(-1).numpy()
        np.testing.assert_allclose(torch.from_numpy(got).softmax(-1).numpy(), expected, atol=1e-4)


def first(encoded: Encoded, places: int) -> Encoded:
    return replace(encoded, tokens=encoded.tokens[:, :places], mask=encoded.mask[:, :places])


@every
def test_the_state_survives_saving_and_loading(name: str) -> None:
    model, batch = make_model(name), make_batch(3)
    torch.manual_seed(99)
    fresh = FusionModel(small(name), BRANCHES, [1, 1, 1]).eval()
    fresh.load_state_dict(model.state_dict())
    torch.testing.assert_close(logits(fresh, batch), logits(model, batch), atol=0, rtol=0)


def planted(size: int, seed: int) -> tuple[Encoded, Encoded, torch.Tensor]:
    """Two classes: the exclusive-or of one bit of the text and one of the image; each bit alone tells nothing."""
    random = torch.Generator().manual_seed(seed)
    bits = torch.randint(0, 2, (size, 2), generator=random)

    def encoded(bit: torch.Tensor, length: int, width: int) -> Encoded:
        signal = (2.0 * bit - 1)[:, None] * torch.linspace(-1, 1, width)[None]  # (N, width)
        tokens = signal[:, None] + 0.3 * torch.randn(size, length, width, generator=random)
        pixels = signal[:, :3, None, None] + 0.3 * torch.randn(size, 3, SIDE, SIDE, generator=random)
        return Encoded(tokens.mean(1), tokens, torch.ones(size, length, dtype=torch.bool), pixels)

    return encoded(bits[:, 0], TOKENS, SHAPES.text), encoded(bits[:, 1], REGIONS, SHAPES.image), bits.sum(1) % 2


@every
def test_a_signal_in_the_combination_alone_is_learned_where_the_class_says_so(name: str) -> None:
    torch.manual_seed(0)
    model = FusionModel(
        small(name, Shapes(SHAPES.text, SHAPES.image, 2)),
        BRANCHES,
        [0.5, 0.5],
    )
    text, image, targets = planted(512, seed=1)
    there = torch.ones(512, dtype=torch.bool)
    train = Batch(text, image, there, there, targets)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(400):
        model.train()
        rows = torch.randint(0, 512, (64,), generator=torch.Generator().manual_seed(step))
        batch = take(train, rows.tolist())
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(batch).logits, batch.targets).backward()
        optimizer.step()
        if step % 20 == 19 and right(model, train) > 0.98:
            break  # it has learned what there is: the slow ones need no more steps
    text, image, targets = planted(512, seed=2)
    accuracy = right(model, Batch(text, image, there, there, targets))
    if fusions()[name].interacts:
        assert accuracy >= 0.9
    else:
        assert accuracy <= 0.6


def right(model: FusionModel, batch: Batch) -> float:
    return float((logits(model.eval(), batch).argmax(-1) == batch.targets).float().mean())


@every
def test_an_unknown_option_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match="widht"):
        build_fusion(name, SHAPES, {"widht": 3})


@every
@pytest.mark.parametrize("value", ["nonsense", -1, None])
def test_a_bad_value_of_an_option_is_refused_by_the_options_name(name: str, value: object) -> None:
    for option in fusion_options(fusions()[name]):
        with pytest.raises(ConfigError, match=f"option {option}: expected .*, found {value!r}"):
            build_fusion(name, SHAPES, {option: value})


def test_adding_a_fusion_takes_one_class() -> None:
    try:

        @fusion
        class Toy(Fusion):
            """logits = W (text + 0): a toy."""

            name = "toy"
            family = "toy"
            source = "this test"
            interacts = False

            def __init__(self, shapes: Shapes, *, scale: int = 1) -> None:
                super().__init__()
                self.classify = torch.nn.Linear(shapes.text, shapes.classes)
                self.scale = scale

            def forward(self, text: Encoded | None, image: Encoded | None) -> torch.Tensor:
                return self.scale * self.classify(text.pooled)

        assert make_model("toy")(make_batch(2)).logits.shape == (2, 3)
        with pytest.raises(ConfigError, match="two fusions"):
            fusion(type("Other", (Toy,), {}))
    finally:
        fusions().pop("toy", None)
