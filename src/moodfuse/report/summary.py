"""The page of a summary: what stands in sentences first, then trends, groups, words, posts, and what was not read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from moodfuse.data.formats.image_refs import image_refs
from moodfuse.decide.examples import Example, Examples
from moodfuse.decide.sentences import compared, headline, in_percent, too_small
from moodfuse.decide.summary import ColumnShares, GroupShares, MoodSummary
from moodfuse.decide.words import SpeakingWord
from moodfuse.report.document import (
    Block,
    Card,
    Document,
    Figure,
    Figures,
    Gallery,
    Heading,
    Notice,
    PageSection,
    Paragraph,
    Table,
    Value,
    Verdicts,
    readable,
)
from moodfuse.report.page import thumbnail
from moodfuse.report.summary_figures import groups_figure, trend_figure

#: Groups of a column whose posts are shown.
_SHOWN_GROUPS = 6
_OF_STATUS = {
    "ok": "read whole",
    "text_missing": "there is no text",
    "text_empty": "the text is empty",
    "text_truncated": "the end of the text was left out",
    "text_decoded_lossy": "the text has characters that no encoding gives",
    "text_decoded_guess": "the encoding of the text was guessed",
    "text_not_understood": "the text is in signs that the model does not know",
    "language_not_covered": "the text is in a language that the model was not taught",
    "image_missing": "there is no image",
    "image_not_found": "the image was not found",
    "image_not_fetched": "the image was not fetched",
    "image_format_unknown": "the image is of a format that is not read",
    "image_unreadable": "the image cannot be read",
    "image_truncated": "the end of the image is missing",
    "image_too_large": "the image is too large",
    "nothing_to_read": "there was nothing to read",
}


def summary_document(summary: MoodSummary, images: Path | None = None) -> Document:
    """Return the page of a summary. `images` is the folder that paths of images start from, by default its source's."""
    folder = images or Path(summary.source).parent
    candidates: list[tuple[str, str, list[Block]]] = [
        ("summary", "In short", _summary(summary)),
        ("trend", "Over time", _trend(summary)),
        *(
            (f"by-{place}", f"By {readable(column.column, 60)}", _column(summary, column, place, folder))
            for place, column in enumerate(summary.columns, start=1)
        ),
        ("differences", "Differences that were tested", _differences(summary)),
        ("words", "Words that speak for a label", _words(summary.words)),
        ("posts", "Surest and most doubtful posts", _posts(summary.examples, folder)),
        ("unread", "What could not be read", _unread(summary)),
        ("method", "How the shares were estimated", [Paragraph(summary.method)]),
    ]
    sections = [PageSection(id, title, blocks) for id, title, blocks in candidates if blocks]
    times = f", by {summary.unit}" if summary.trend else ""
    subtitle = f"{summary.total.posts:,} answered posts{times}"
    return Document("Summary", readable(Path(summary.source).name, 80), subtitle, sections, summary.rows())


def _summary(summary: MoodSummary) -> list[Block]:
    blocks: list[Block] = [Verdicts([headline(summary), *compared(summary)])]
    if summary.total.shares:
        blocks.append(_table("label", summary.total, summary.labels))
    if not summary.corrected:
        blocks.append(Notice("The shares are not corrected: they rest on calibrated probabilities alone (see below)."))
    return [*blocks, *map(Notice, [*summary.warnings, *too_small(summary)])]


def _table(name: str, one: GroupShares, labels: Sequence[str]) -> Table:
    rows: list[list[Value]] = [
        [label, in_percent(one.shares[label]), f"{100 * one.shares[label].counted:.1f}"] for label in labels
    ]
    return Table([name, "share, % (95 % interval)", "counted, %"], rows)


def _groups_table(title: str, groups: Sequence[GroupShares], labels: Sequence[str], *, folded: bool = False) -> Table:
    rows: list[list[Value]] = []
    for one in groups:
        cells: list[Value] = [in_percent(one.shares.get(label)) for label in labels]
        counted = " / ".join(f"{100 * share.counted:.0f}" for share in one.shares.values()) or "–"
        rows.append(
            [one.time or readable(one.group, 60), one.read, *cells, counted, "too few" if one.too_small else ""]
        )
    columns = [title, "posts read", *(f"{label}, %" for label in labels), "counted, %", ""]
    caption = "All periods: shares with 95 % intervals, and plain counts of answers beside them." if folded else ""
    return Table(columns, rows, caption, folded=folded)


def _trend(summary: MoodSummary) -> list[Block]:
    if not summary.trend:
        return []
    if not any(one.shares for one in summary.trend):
        return [Notice(f"No {summary.unit} has enough posts for shares: choose a longer one with --by.")]
    column = readable(summary.time_column, 60)
    caption = f"Shares by {summary.unit} (column “{column}”), with 95 % intervals; gaps: too few posts."
    svg = trend_figure("trend", summary.trend, summary.labels)
    return [
        Figure(svg, caption),
        _groups_table(summary.unit, summary.trend, summary.labels, folded=True),
    ]


def _column(summary: MoodSummary, column: ColumnShares, place: int, folder: Path) -> list[Block]:
    if not column.groups:
        return [Paragraph("There are no groups.")]
    labels, blocks = summary.labels, list[Block]()
    told = [one for one in column.groups if one.shares]
    if told and summary.total.shares:
        figures = [
            Figure(
                groups_figure(f"by-{place}-{at}", told, label, labels, summary.total.shares[label].value),
                f"{label}: 95 % intervals; dashed: all posts; grey mark: plain count.",
            )
            for at, label in enumerate(labels)
        ]
        blocks.append(Figures(figures))
    blocks.append(_groups_table(column.column, column.groups, labels))
    trends = [
        Figure(trend_figure(f"by-{place}-trend-{at}", trend, labels, small=True), readable(group, 60))
        for at, (group, trend) in enumerate(column.trends.items())
        if sum(bool(one.shares) for one in trend) > 1
    ]
    if trends:
        blocks += [Heading(f"Each by {summary.unit}, colours as above"), Figures(trends, small=True)]
    if words := [row for group, found in column.spoken_for.items() if (row := _words_row(group, found, labels))]:
        heads = [f"speaks for {label}" for label in labels]
        blocks += [Heading("Words that speak for a label within the group"), Table([column.column, *heads], words)]
    for group in [one.group for one in column.groups][:_SHOWN_GROUPS]:
        if group in column.examples:
            cards = _cards(column.examples[group], folder)
            blocks.append(Gallery(cards, f"Surest and most doubtful posts of {readable(group, 60)}"))
    return blocks


def _words_row(group: str, found: Mapping[str, list[SpeakingWord]], labels: Sequence[str]) -> list[Value]:
    cells: list[Value] = [", ".join(readable(word.text, 30) for word in found.get(label, [])) for label in labels]
    return [readable(group, 60), *(cell or None for cell in cells)] if any(cells) else []


def _differences(summary: MoodSummary) -> list[Block]:
    if not summary.differences:
        return []
    ordered = sorted(summary.differences, key=lambda one: (one.p, -abs(one.difference)))
    rows: list[list[Value]] = [
        [
            f"{one.by}: {readable(one.group, 40) + ', ' if one.group else ''}{readable(one.b, 40)}",
            readable(one.a, 40),
            one.label,
            f"{100 * one.difference:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})".replace("-", "−"),
            "< 0.001" if one.p < 0.001 else f"{one.p:.3f}",
            "stands" if one.stands else "",
        ]
        for one in ordered[:200]
    ]
    columns = ["of", "against", "label", "difference, points (95 %)", "p (Holm)", ""]
    return [
        Paragraph(
            "Each group is compared with all other posts, the first third of the periods with the last third, and each "
            "period with the one before it; p-values are corrected (Holm) for all comparisons of a kind. A difference "
            "is stated above only where its test stands at 5 %."
        ),
        Table(columns, rows, f"All {len(summary.differences):,} comparisons", folded=True),
    ]


def _words(words: Mapping[str, list[SpeakingWord]]) -> list[Block]:
    rows: list[list[Value]] = [
        [label, ", ".join(f"{readable(word.text, 30)} ({word.posts:,})" for word in found)]
        for label, found in words.items()
        if found
    ]
    if not rows:
        return []
    told = (
        "Words that are more frequent in posts answered with the label than in the others: log-odds with an "
        "informative prior (Monroe et al. 2008), with the number of posts that hold them. Words go with answers; they "
        "need not be why."
    )
    return [Paragraph(told), Table(["label", "words"], rows)]


def _posts(examples: Examples, folder: Path) -> list[Block]:
    cards = _cards(examples, folder)
    return [Gallery(cards)] if cards else []


def _cards(examples: Examples, folder: Path) -> list[Card]:
    kinds = [("sure", one) for one in examples.surest] + [("in doubt", one) for one in examples.doubtful]
    return [_card(kind, one, folder) for kind, one in kinds]


def _card(kind: str, one: Example, folder: Path) -> Card:
    images = image_refs(folder, one.image)
    facts: list[tuple[str, Value]] = [(kind, one.label), ("probability", one.confidence)]
    return Card(one.id, thumbnail(images[0] if images else None), one.text, facts)


def _unread(summary: MoodSummary) -> list[Block]:
    posts = max(1, summary.total.posts)
    rows: list[list[Value]] = [
        [status, _OF_STATUS.get(status, ""), count, f"{100 * count / posts:.1f}"]
        for status, count in summary.status.items()
    ]
    unread = summary.total.posts - summary.total.read
    blocks: list[Block] = [
        Paragraph(
            f"{unread:,} of {summary.total.posts:,} posts are left out of all shares: nothing in them was read, or not "
            "understood. A post can have several states."
        ),
        Table(["status", "what it means", "posts", "%"], rows),
    ]
    if summary.needs_review is not None:
        blocks.append(Paragraph(f"{summary.needs_review:,} answers are marked for a look by hand (needs_review)."))
    return blocks
