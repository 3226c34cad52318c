"""A summary in sentences, the most important first."""

from __future__ import annotations

from moodfuse.decide.summary import GroupShares, MoodSummary, ShareEstimate

#: Differences that are told in sentences; the tables have the others.
MOST_DIFFERENCES = 8


def in_percent(share: ShareEstimate | None) -> str:
    """Return a share with its interval, in percent without the sign; a dash for none."""
    if share is None:
        return "–"
    return f"{100 * share.value:.1f} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def headline(summary: MoodSummary) -> str:
    """Return the sentence about all posts."""
    total = summary.total
    if not total.shares:
        return f"{total.read:,} of {total.posts:,} posts were read: too few for shares."
    parts = [
        f"{100 * one.value:.0f} % {label} ({100 * one.low:.0f} to {100 * one.high:.0f})"
        for label, one in total.shares.items()
    ]
    return f"Of {total.read:,} posts that were read: {', '.join(parts)}."


def compared(summary: MoodSummary) -> list[str]:
    """Return what stands of the differences between groups and times, each as a sentence; or that none does."""
    standing, tested = summary.standing(), len(summary.differences)
    if not tested:
        return []
    if not standing:
        return [f"No difference between groups or times stands: {tested} were tested, and corrected for their number."]
    told = [one.words() + "." for one in standing[:MOST_DIFFERENCES]]
    if more := len(standing) - len(told):
        told.append(f"{more} more differences stand, of {tested} tested.")
    return [line[0].upper() + line[1:] for line in told]


def too_small(summary: MoodSummary) -> list[str]:
    """Return which groups are too small to be told apart, a sentence a column."""
    found = []
    for column in summary.columns:
        if small := [one.group for one in column.groups if one.too_small]:
            names = ", ".join(small[:8]) + (f" and {len(small) - 8} more" if len(small) > 8 else "")
            found.append(f"Too few posts to tell how often a label is: {column.column} {names}.")
        if column.more_groups:
            found.append(
                f"Not shown: {column.more_groups:,} smaller groups of {column.column}, {column.more_posts:,} posts."
            )
    if small_times := sum(one.too_small for one in summary.trend):
        found.append(f"Too few posts to tell how often a label is: {small_times} of {len(summary.trend)} periods.")
        if small_times == len(summary.trend) and summary.unit != "year":
            found.append("Longer periods have more posts: --by month, quarter or year.")
    return found


def lines(summary: MoodSummary) -> list[str]:
    """Return the summary as a command line shows it: the sentences, and a line for each group."""
    told = [headline(summary), *compared(summary), *too_small(summary)]
    told += [f"careful: {warning}" for warning in summary.warnings]
    for title, groups in [(summary.unit, summary.trend), *((one.column, one.groups) for one in summary.columns)]:
        if groups:
            told += ["", _line(title, "posts", [f"{label} %" for label in summary.labels])]
            told += [_group_line(one, summary.labels) for one in groups]
    return [*told, "", summary.method]


def _group_line(one: GroupShares, labels: tuple[str, ...]) -> str:
    cells = [in_percent(one.shares.get(label)) for label in labels] if one.shares else ["too few posts"]
    return _line(one.group or one.time, f"{one.read:,}", cells)


def _line(name: str, posts: str, cells: list[str]) -> str:
    return f"{name[:20]:<20} {posts:>9}  " + "  ".join(f"{cell:<20}" for cell in cells).rstrip()
