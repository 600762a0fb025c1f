"""The operation of a convolution, written out (book, section 5.1 of the first edition)."""

from gluon_cnn.errors import ModelError

__all__ = ["corr2d"]


def corr2d(X, K):
    """Two-dimensional cross-correlation of one image with one kernel.

    Parameters
    ----------
    X : array
        H×W.
    K : array
        h×w, no larger than ``X``.

    Returns
    -------
    array
        (H − h + 1)×(W − w + 1). Gradients reach both ``X`` and ``K``.

    Raises
    ------
    ModelError
        If the kernel is larger than the image.
    """
    (height, width), (h, w) = X.shape, K.shape
    if h > height or w > width:
        raise ModelError(f"The kernel, {h}×{w}, is larger than the image, {height}×{width}: use a smaller one.")
    rows, columns = height - h + 1, width - w + 1
    return sum(X[i : i + rows, j : j + columns] * K[i : i + 1, j : j + 1] for i in range(h) for j in range(w))
