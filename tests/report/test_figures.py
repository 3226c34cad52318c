"""Figures: one SVG for light and dark, the same for the same numbers, legible whatever the numbers are."""

import re

import pytest

from moodfuse.evaluate.calibration import reliability
from moodfuse.report.document import Estimate
from moodfuse.report.figures import (
    Scales,
    ablation_figure,
    bars_figure,
    confusion_figure,
    forest_figure,
    importance_figure,
    lines_figure,
    reliability_figure,
    scatter_figure,
    search_figure,
)

FIGURES = {
    "confusion": lambda: confusion_figure("f", [[8, 1, 0], [2, 5, 3], [0, 0, 0]], ["a", "b", "c<d"]),
    "lines": lambda: lines_figure(
        "f", {"$x$": ([1, 2], [0.1, 0.2]), "y": ([1], [0.3])}, Scales("epoch", "loss"), kept=1
    ),
    "one epoch": lambda: lines_figure("f", {"x": ([1], [0.5])}, Scales("epoch", "loss", whole=True), small=True),
    "reliability": lambda: reliability_figure("f", {"m": reliability([0.4, 0.9, 1.0], [True, False, True])}),
    "forest": lambda: forest_figure(
        "f", [("a", Estimate(0.5, 0.4, 0.6), 0), ("b", Estimate(0.4), 3)], x="F1", zero=True
    ),
    "ablation": lambda: ablation_figure("f", [("a", [0.5, None, 0.3]), ("b", [None] * 3)], ("p", "q", "r"), x="F1"),
    "bars": lambda: bars_figure("f", ["a", "b"], {"F1": [Estimate(0.5, 0.4, 0.6), None]}, y="F1"),
    "importance": lambda: importance_figure("f", {"lr": 0.7, "dropout": 0.3}),
    "search": lambda: search_figure("f", [(0, 0.5, False), (1, 0.4, True), (2, 0.6, False)], y="F1"),
    "scatter": lambda: scatter_figure("f", [("a", 3.0, 0.5, 0), ("b", 40.0, 0.6, 1)], x="seconds", y="F1"),
}


@pytest.mark.parametrize("kind", FIGURES)
def test_a_figure_takes_its_colours_from_the_page(kind: str) -> None:
    svg = FIGURES[kind]()
    assert svg.startswith("<svg")
    assert 'role="img" aria-label="' in svg.split(">")[0]
    assert "var(--" in svg
    # Whatever has a colour has one of the page's: black text would vanish on a dark page.
    assert not re.findall(r"(?:fill|stroke): ?#(?!000000)\w+", svg)
    assert "<metadata" not in svg
    assert not re.search(r'\bhref="http', svg)


@pytest.mark.parametrize("kind", FIGURES)
def test_the_same_numbers_give_the_same_bytes(kind: str) -> None:
    assert FIGURES[kind]() == FIGURES[kind]()


def test_labels_are_text_and_no_formula() -> None:
    assert "$x$" in FIGURES["lines"]()
    assert "c&lt;d" in FIGURES["confusion"]()


def test_figures_of_a_page_share_no_ids() -> None:
    def draw(name: str) -> set[str]:
        svg = lines_figure(name, {"x": ([1, 2], [1, 2])}, Scales("a", "b"))
        return set(re.findall(r'\bid="([^"]+)"', svg))

    assert draw("one")
    assert not draw("one") & draw("two")


def test_every_mark_leads_to_what_it_draws() -> None:
    svg = FIGURES["lines"]()
    assert set(re.findall(r'xlink:href="#([^"]+)"', svg)) <= set(re.findall(r'\bid="([^"]+)"', svg))
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= set(re.findall(r'\bid="([^"]+)"', svg))
