"""A diagram of a fusion: its encoders, its inputs, each layer with its output shape, and its logits."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import torch
from torch import Tensor, nn

from moodfuse.learn.encoders import Encoded, unencoded
from moodfuse.learn.fusion import Shapes, build_fusion, find_fusion, fusions
from moodfuse.plugins import describe

LOG = logging.getLogger("moodfuse.plugins")

# Sizes that occur nowhere else in a shape, so that they can be printed as B, T, R; so do the lengths up to _MORE above.
_BATCH, _TOKENS, _REGIONS, _SIDE = 13, 207, 83, 224
_MORE = 8  # learned tokens that a fusion may put beside those of a post
_WIDTHS = {"text": 384, "image": 1280}
_WHOLE = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
_WIDTH, _BLOCK, _LINE, _ENCODER = 720, 56, 18, 72


@dataclass(frozen=True, slots=True)
class Step:
    """A layer as it ran: its name in the fusion, its type, its output shape, its number of weights."""

    name: str
    kind: str
    shape: str
    weights: int


@dataclass(frozen=True, slots=True)
class DrawnEncoder:
    """An encoder, or several that are joined: the name, what of it trains, the width of its vectors."""

    name: str
    trains: str
    width: int

    @property
    def note(self) -> str:
        return f"{self.trains}; vectors of {self.width}"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A fusion's layers in the order in which they run, and the encoders before it, by modality, if they are known."""

    fusion: str
    reads: Mapping[str, str]
    steps: Sequence[Step]
    weights: int
    formula: str
    encoders: Mapping[str, DrawnEncoder]

    def to_text(self) -> str:
        """Return the drawing for a terminal."""
        lines = [f"{self.fusion}   {self.weights:,} weights", *self.formula.splitlines(), ""]
        lines += [f"  {modality:<6} {encoder.name}: {encoder.note}" for modality, encoder in self.encoders.items()]
        lines += [f"  {modality:<6} {shape}" for modality, shape in self.reads.items()]
        lines += ["    |"]
        wide = max([len(step.name) for step in self.steps] + [8])
        for step in self.steps:
            lines.append(f"  {step.name:<{wide}}  {step.kind:<24} {step.shape:<16} {step.weights:>9,}")
        return "\n".join([*lines, "    |", "  logits (B, 3)"])

    def _blocks(self) -> list[Step]:
        """Return a step per part of the fusion: its layer types in order, its last shape, the sum of its weights."""
        parts: dict[str, list[Step]] = {}
        for step in self.steps:
            parts.setdefault(step.name.split(".")[0], []).append(step)
        return [
            Step(name, " > ".join(step.kind for step in steps), steps[-1].shape, sum(step.weights for step in steps))
            for name, steps in parts.items()
        ]

    def to_svg(self) -> str:
        """Return the drawing as the content of an SVG file, readable on light and dark backgrounds."""
        formula = self.formula.splitlines()
        panel_top = 60 + 16 + len(formula) * _LINE + 70 + (_ENCODER if self.encoders else 0)
        blocks = self._blocks()
        panel = len(blocks) * _BLOCK + 16
        height = panel_top + panel + 90
        parts = [_text(20, 34, f"{self.fusion}: {self.weights:,} weights", "title")]
        parts += [_text(20, 60 + i * _LINE, line, "note") for i, line in enumerate(formula)]
        top = panel_top - 62
        slot = (_WIDTH - 40) // max(1, len(self.reads))
        for i, (modality, shape) in enumerate(self.reads.items()):
            x = 20 + i * slot
            if encoder := self.encoders.get(modality):
                y = top - _ENCODER
                parts += [_box(x, y, slot - 16, _ENCODER - 24, modality), _text(x + 12, y + 19, encoder.name, "label")]
                parts += [
                    _text(x + 12, y + 37, encoder.note, "note"),
                    _arrow(x + (slot - 16) // 2, top - 24, top),
                ]
            parts += [_box(x, top, slot - 16, 34, modality), _text(x + 12, top + 22, f"{modality}: {shape}", "label")]
            parts.append(_arrow(x + (slot - 16) // 2, top + 34, panel_top))
        parts.append(_box(20, panel_top, _WIDTH - 40, panel, "panel"))
        for i, block in enumerate(blocks):
            y = panel_top + 14 + i * _BLOCK
            parts.append(_box(34, y, _WIDTH - 68, _BLOCK - 10, "block"))
            parts += [_text(46, y + 19, block.name, "label"), _text(46, y + 37, block.kind, "note")]
            parts.append(_text(430, y + 19, block.shape, "label"))
            parts.append(_text(560, y + 19, f"{block.weights:,} weights" if block.weights else "", "note"))
        end = panel_top + panel
        parts += [_arrow(_WIDTH // 2, end, end + 34), _box(_WIDTH // 2 - 70, end + 34, 140, 34, "out")]
        parts.append(_text(_WIDTH // 2 - 52, end + 56, "logits (B, 3)", "label"))
        return _SVG.format(
            width=_WIDTH, height=height, body="\n".join(parts), label=escape(f"the fusion {self.fusion}")
        )


def draw_fusions(names: Iterable[str] | None = None) -> dict[str, Drawing]:
    """Return the drawings of fusions (`None`: all) with their defaults, by name, in alphabetical order.

    A fusion that cannot be built or run is left out with a warning: a plug-in's fault breaks no command.
    """
    drawings = {}
    for name in sorted(fusions() if names is None else names):
        try:
            drawings[name] = draw_fusion(name)
        except Exception as error:
            LOG.warning("the fusion %s is left out: %s", name, describe(error))
    return drawings


def draw_fusion(
    name: str, options: Mapping[str, Any] | None = None, encoders: Mapping[str, DrawnEncoder] | None = None
) -> Drawing:
    """Build a fusion over `encoders`, run it once, and return the layers that ran.

    Without encoders, which are then not drawn, the widths are those of MiniLM and EfficientNet-Lite0. Raises
    `ConfigError` for an unknown fusion or option.
    """
    cls = find_fusion(name)
    encoders = encoders or {}
    widths = _WIDTHS | {modality: encoder.width for modality, encoder in encoders.items()}
    fusion = build_fusion(name, Shapes(widths["text"], widths["image"], 3), options or {}).eval()
    steps: list[Step] = []
    for path, module in fusion.named_modules():
        inside = any(isinstance(parent, _WHOLE) for parent in _parents(fusion, path))
        if path and not inside and (isinstance(module, _WHOLE) or not list(module.children())):
            module.register_forward_hook(_recorder(path, steps))
    lengths = {"text": _TOKENS, "image": _REGIONS}
    encoded = {m: _example(lengths[m], widths[m]) for m in cls.modalities}
    if cls.consumes == "pixels":
        encoded["image"] = unencoded(torch.zeros(_BATCH, 3, _SIDE, _SIDE))
    with torch.no_grad():
        fusion(encoded.get("text"), encoded.get("image"))
    reads: dict[str, str] = {}
    for m in cls.modalities:
        reads[m] = _shape(getattr(encoded[m], cls.reads(m)))
    kept = [step for step in steps if step.kind not in {"Dropout", "Identity"}]
    weights = sum(parameter.numel() for parameter in fusion.parameters())
    formula = (cls.__doc__ or "").strip().split("\n\n")[0]
    drawn: dict[str, DrawnEncoder] = {
        m: encoders[m] for m in cls.modalities if m in encoders and cls.reads(m) != "pixels"
    }
    return Drawing(name, reads, kept, weights, "\n".join(line.strip() for line in formula.splitlines()), drawn)


def _example(length: int, width: int) -> Encoded:
    tokens = torch.zeros(_BATCH, length, width)
    return Encoded(tokens.mean(1), tokens, torch.ones(_BATCH, length, dtype=torch.bool))


def _recorder(path: str, steps: list[Step]) -> Any:
    def hook(module: nn.Module, _: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        weights = sum(parameter.numel() for parameter in module.parameters())
        steps.append(Step(path, type(module).__name__, _shape(first), weights))

    return hook


def _parents(fusion: nn.Module, path: str) -> list[nn.Module]:
    names = path.split(".")[:-1]
    return [fusion.get_submodule(".".join(names[: i + 1])) for i in range(len(names))]


def _shape(tensor: Tensor | None) -> str:
    lengths = {"T": _TOKENS, "R": _REGIONS, "T+R": _TOKENS + _REGIONS}
    letters = {size + more: f"{name}+{more}" for name, size in lengths.items() for more in range(1, _MORE + 1)}
    letters |= {size: name for name, size in lengths.items()} | {_BATCH: "B"}
    sizes = list(tensor.shape) if isinstance(tensor, Tensor) else []
    named = [letters.get(size, str(size)) if i < len(sizes) - 1 else str(size) for i, size in enumerate(sizes)]
    return f"({', '.join(named)})"


def _text(x: int, y: int, text: str, kind: str) -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(text)}</text>'


def _box(x: int, y: int, width: int, height: int, kind: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" class="{kind}"/>'


def _arrow(x: int, top: int, bottom: int) -> str:
    return f'<path d="M{x} {top} V{bottom - 3}" class="line" marker-end="url(#head)"/>'


_SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">
<style>
text {{ font: 13px ui-sans-serif, system-ui, sans-serif; fill: #1c2733 }}
.title {{ font-size: 17px; font-weight: 600 }} .note {{ fill: #5a6b7d }}
rect {{ stroke: #8da2b8; fill: #f4f7fa }} .text {{ fill: #dfeefb }} .image {{ fill: #fdeedb }} .out {{ fill: #e3f4e6 }}
.block {{ fill: #ffffff }}
.line {{ stroke: #5a6b7d; fill: none }} svg {{ background: #ffffff }}
</style>
<defs><marker id="head" markerWidth="8" markerHeight="8" refX="5" refY="3" orient="auto">
<path d="M0 0 L6 3 L0 6 z" fill="#5a6b7d"/></marker></defs>
<rect x="0" y="0" width="{width}" height="{height}" style="fill:#ffffff;stroke:none"/>
{body}
</svg>
"""
