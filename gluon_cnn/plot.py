"""Every figure."""

from gluon_cnn.data import get_fashion_mnist_labels
from gluon_cnn.files import write_atomically

__all__ = ["save_curves", "show_fashion_mnist"]

# Readable on white and told apart without colour: markers differ as well.
_LOSS, _TRAIN, _TEST = "#1f4e9c", "#b5541c", "#1b7a43"


def save_curves(history, path, title):
    """Draw loss and accuracies by epoch to a PNG.

    Parameters
    ----------
    history : list of EpochResult
    path : Path
    title : str
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    epochs = [r.epoch for r in history]
    loss.plot(epochs, [r.train_loss for r in history], "o-", color=_LOSS, label="train")
    loss.set_ylabel("mean cross-entropy per image (nats)")
    accuracy.plot(epochs, [r.train_acc for r in history], "o-", color=_TRAIN, label="train")
    accuracy.plot(epochs, [r.test_acc for r in history], "s--", color=_TEST, label="test")
    accuracy.set_ylabel("top-1 accuracy")
    accuracy.set_ylim(0, 1)
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.suptitle(title)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def show_fashion_mnist(images, labels):
    """Show images in a row under the names of their classes (book, section 3.5 of the first edition).

    Parameters
    ----------
    images : sequence of arrays
        Each with 28×28 values, of any shape.
    labels : sequence
        Class numbers, or names such as :func:`gluon_cnn.get_fashion_mnist_labels` gives.

    Returns
    -------
    np.ndarray of matplotlib Axes
        One for each image; shown at once where matplotlib has a display, as in a notebook.
    """
    import matplotlib.pyplot as plt

    names = [label if isinstance(label, str) else get_fashion_mnist_labels([label])[0] for label in labels]
    _, row = plt.subplots(1, len(images), figsize=(12, 12), squeeze=False)
    for axes, image, name in zip(row[0], images, names):
        pixels = image.asnumpy() if hasattr(image, "asnumpy") else image
        axes.imshow(pixels.reshape(28, 28), cmap="gray")
        axes.set_title(name)
        axes.axis("off")
    return row[0]
