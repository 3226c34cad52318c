"""scikit-learn's classes, which the estimators stand on; without it, a line that says how to get it."""

from moodfuse.errors import MissingExtraError

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
    from sklearn.exceptions import NotFittedError
    from sklearn.utils import Tags
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, column_or_1d
except ModuleNotFoundError:
    raise MissingExtraError(
        "FusionClassifier and MoodTransformer need scikit-learn, which is not installed; pip install 'moodfuse[eval]' "
        "(moodfuse.load() predicts without it)"
    ) from None

__all__ = [
    "BaseEstimator",
    "ClassifierMixin",
    "NotFittedError",
    "Tags",
    "TransformerMixin",
    "check_classification_targets",
    "check_is_fitted",
    "column_or_1d",
    "tag_posts",
]


def tag_posts(tags: Tags) -> Tags:
    """Say in an estimator's tags that it reads posts, which are no rows of numbers and may lack what they hold."""
    tags.input_tags.two_d_array = False
    tags.input_tags.one_d_array = tags.input_tags.string = tags.input_tags.dict = tags.input_tags.allow_nan = True
    return tags
