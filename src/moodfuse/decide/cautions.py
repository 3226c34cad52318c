"""What is to be said of how shares were estimated, and of what makes them doubtful."""

from __future__ import annotations

from moodfuse.data.posts import Status
from moodfuse.decide.estimator import Estimator, Tally

#: Parts of the posts from which on a warning is due: those not read, and those whose answers fit no held-out ones.
_UNREAD, _MISFIT = 0.05, 0.1


def told_method(estimator: Estimator) -> str:
    """Return in words how the shares were estimated."""
    if not estimator.corrected:
        return (
            "Shares are means of the calibrated probabilities, and their intervals vary the posts alone: how the model "
            "answers held-out posts is not known here. They are right where the labels are mixed as in its training, "
            "and too near to that mix elsewhere."
        )
    posts = round(max(one.posts for one in estimator.held_out.values()))
    return (
        f"Shares are corrected: they are those under which these answers are likeliest, given how the model answered "
        f"{posts:,} held-out posts of known label (expectation maximisation, Saerens et al. 2002). Intervals are 95 %, "
        "by resampling these posts and the held-out ones. Plain counts of answers stand beside them as “counted”. The "
        "correction takes for granted that the posts of a label are answered here as there; it cannot know what is "
        "new in these posts."
    )


def told_warnings(estimator: Estimator, everyone: Tally) -> list[str]:
    """Return what to be careful about, in sentences: posts not read, answers unlike the held-out ones, bad times."""
    answers, found = estimator.answers, []
    posts, read = int(everyone.posts[0]), int(everyone.read[0])
    if posts - read > _UNREAD * posts:
        found.append(
            f"{posts - read:,} of {posts:,} posts ({(posts - read) / posts:.0%}) could not be read or understood: the "
            "shares are those of the others, and the mood of what was not read may differ."
        )
    foreign = answers.status[Status.LANGUAGE_NOT_COVERED]
    if foreign > _UNREAD * posts:
        found.append(f"{foreign:,} posts ({foreign / posts:.0%}) are in a language that the model was not taught.")
    if (distance := estimator.misfit(everyone)) > _MISFIT:
        found.append(
            f"These answers are unlike those of any mix of held-out posts ({distance:.0%} of them would have to "
            "change): the posts are of another kind than the model was tested on, and the correction may mislead."
        )
    for used, count in estimator.borrowed.items():
        what = (
            f"posts with {used.replace('|', ' and ')} alone"
            if used != "unknown"
            else "posts whose column `used` is gone"
        )
        found.append(
            f"{count:,} {what}: how the model answers such posts was not tested apart, so they are corrected as "
            "the others are."
        )
    if answers.bad_times:
        found.append(
            f"{answers.bad_times:,} values of {answers.time_column!r} are no time: those posts are in no trend."
        )
    return found
