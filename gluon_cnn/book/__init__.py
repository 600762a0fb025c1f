"""The book's published runs, and ours beside them."""

from gluon_cnn.book.compare import compare_run, compare_runs
from gluon_cnn.book.published import PublishedRun, published_runs

__all__ = ["PublishedRun", "compare_run", "compare_runs", "published_runs"]
