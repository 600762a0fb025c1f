"""Look at a network with test images: one pass over them for all figures, and the pictures to look at closely."""

import contextlib
from typing import Dict, List, NamedTuple, Optional

import numpy as np

from gluon_cnn.checks import whole_number
from gluon_cnn.errors import DataError, ModelError, SettingError
from gluon_cnn.inspection.answers import Answers
from gluon_cnn.inspection.choice import chosen_channels, chosen_layers, class_numbers, layers_that_may_die
from gluon_cnn.inspection.confusion import clopper_pearson
from gluon_cnn.inspection.excitation import Excitation, excitation
from gluon_cnn.inspection.layers import as_numpy, run
from gluon_cnn.inspection.progress import shown
from gluon_cnn.inspection.receptive import receptive_fields

__all__ = ["Case", "Images", "Seen", "look"]

_BATCH = 64


class Images(NamedTuple):
    """The images of a test part, and how a network takes them.

    Attributes
    ----------
    inputs : gluon_cnn.data.inputs.Inputs
    stored : sequence
        uint8 N×H×W or N×H×W×3, as the data set stores them.
    labels : np.ndarray
        int N.
    """

    inputs: object
    stored: object
    labels: np.ndarray

    def batches(self):
        """Batches (X, y) as a network takes them, in their order."""
        for first in range(0, len(self.labels), _BATCH):
            y = self.labels[first : first + _BATCH]
            yield self.batch(np.arange(first, first + len(y))), y

    def batch(self, numbers):
        """The images of some numbers as a network takes them."""
        return self.inputs.batch(self.stored[np.asarray(numbers)])

    def pictures(self, numbers):
        """The images of some numbers to look at, float N×C×H×W in [0, 1]."""
        return self.as_pictures(self.batch(numbers))

    def as_pictures(self, X):
        """A batch as a network takes it, to look at: float N×C×H×W in [0, 1]."""
        pixels, info = as_numpy(X).astype("float32"), self.inputs.dataset
        if getattr(info, "mean", None) is not None:  # normalised
            mean, deviation = (np.reshape(each, (1, -1, 1, 1)) for each in (info.mean, info.deviation))
            pixels = pixels * deviation + mean
        return np.clip(pixels, 0, 1)


class Case(NamedTuple):
    """A picture that is looked at closely.

    Attributes
    ----------
    name : str
        What it is, such as a file's name.
    X : array
        1×C×H×W as the network takes it.
    picture : np.ndarray
        C×H×W in [0, 1].
    label : int or None
        Its class, if that is known.
    """

    name: str
    X: object
    picture: np.ndarray
    label: Optional[int]


class Seen(NamedTuple):
    """What was seen of a network.

    Attributes
    ----------
    images : Images
    classes : list of str
        The classes' names, as many as the network has.
    answers : Answers
    excitations : dict
        Path to Excitation, of all layers that were looked at in the pass.
    layers : dict
        Path to shape of the layers whose channels are shown.
    channels : dict
        Path to list of int, or to None for a figure's own choice.
    fields : dict
        Path to ReceptiveField, of those layers of which it is known.
    others : list of int or None
        The classes that were named.
    cases : list of Case
    left_out : list of str
        What could not be looked at, and why.
    """

    images: Images
    classes: List[str]
    answers: Answers
    excitations: Dict[str, Excitation]
    layers: Dict[str, tuple]
    channels: Dict[str, object]
    fields: Dict[str, object]
    others: Optional[List[int]]
    cases: List[Case]
    left_out: List[str]

    @property
    def accuracy(self):
        """The share of right answers, a :class:`gluon_cnn.inspection.confusion.Share`."""
        return clopper_pearson(int(self.answers.right.sum()), len(self.answers.right))

    def field(self, net):
        """A function that gives the receptive field of a path of a network, None if it is not known."""

        def of(path):
            if path not in self.fields:
                shape = tuple(self.images.batch([0]).shape)
                self.fields.update(_fields(net, shape, [path])[0] or {path: None})
            return self.fields[path]

        return of


def look(net, inputs, test, *, layers=None, channels=None, classes=None, images=None, pictures=(), quiet=False):
    """Look at a network.

    Parameters
    ----------
    net : Block
        Of any kind that gives N×classes logits; its parameters have values.
    inputs : gluon_cnn.data.inputs.Inputs
        The images that it takes: the data set with its classes' names, and their size.
    test : Part or Batches
        The test images, ``images`` uint8 as the data set stores them, and their ``labels``.
    layers : list of str, optional
        Paths of the layers to show; see :func:`gluon_cnn.inspection.layers.all_layers`. By default a few from the
        first to the last.
    channels : list of int, optional
        Of each of these layers; by default the three that answer most strongly, each to other images.
    classes : list of str or int, optional
        The classes, by name or number, for which Grad-CAM and occlusion are shown besides the predicted one.
    images : int, optional
        Take only the first test images.
    pictures : list of (str, np.ndarray)
        Pictures to look at closely, by name, each as the data set stores its images. By default three test images.
    quiet : bool
        Show no progress.

    Returns
    -------
    Seen

    Raises
    ------
    SettingError, ModelError, DataError
        If there is no such layer, channel, class or image, or the network cannot be looked into.
    """
    seen = _images(inputs, test, images)
    one = seen.batch([0])
    logits = run(net, one, {})
    if logits.ndim != 2:
        raise ModelError("The network does not give N×classes: it cannot be looked into.", "model")
    _refuse_not_finite(net)
    names = inputs.dataset.names_of(range(logits.shape[1]))
    others = None if classes is None else class_numbers(classes, names)
    shapes = chosen_layers(net, one, layers)
    chosen = chosen_channels(shapes, channels, layers is not None)
    paths = list(dict.fromkeys([*shapes, *layers_that_may_die(net, one)]))
    with contextlib.closing(shown(seen.batches(), "looking at test images", len(seen.labels), quiet)) as batches:
        found = excitation(net, batches, paths)
    fields, left_out = _fields(net, one.shape, list(shapes))
    cases = _own_cases(seen, pictures) if pictures else _cases(seen, found.answers)
    return Seen(seen, names, found.answers, found.layers, shapes, chosen, fields, others, cases, left_out)


def _images(inputs, test, number):
    labels = np.asarray(test.labels)
    if number is not None and whole_number("images", number) > len(labels):
        raise SettingError(f"images is {number}, but there are only {len(labels):,} test images.", "images")
    labels = labels[:number]
    if not len(labels):
        raise DataError("There are no test images: give some.", "data_dir")
    return Images(inputs, test.images, labels)


def _refuse_not_finite(net):
    """ModelError if a parameter is not finite. The logits need not tell, because max pooling passes over NaN."""
    for name, parameter in net.collect_params().items():
        if parameter._data is not None and not np.isfinite(parameter.list_data()[0].asnumpy()).all():
            raise ModelError(
                f"The parameter {name} has numbers that are not finite: take a checkpoint before it diverged.", "which"
            )


def _fields(net, shape, paths):
    """The receptive field of each layer of which it is known, and why not of the others."""
    try:
        return receptive_fields(net, tuple(shape), paths), []
    except ModelError:
        pass
    fields, errors = {}, {}
    for path in paths:
        try:
            fields.update(receptive_fields(net, tuple(shape), [path]))
        except ModelError as error:
            errors[path] = error
    if len(errors) == len(paths) > 1:
        first = errors[paths[0]]
        return fields, [f"What the positions of layers see is left out: whole images are shown. {first}"]
    return fields, [f"What a position of layer {path} sees is left out. {error}" for path, error in errors.items()]


def _own_cases(images, pictures):
    cases = []
    for name, stored in pictures:
        X = images.inputs.batch(stored[np.newaxis])
        cases.append(Case(str(name), X, images.as_pictures(X)[0], None))
    return cases


def _cases(images, answers):
    """A few test images: the surest right answer, the most doubtful one, and the most confident mistake."""
    confidence, right = answers.confidence, answers.right
    chosen = {}
    for words, among, sign in (
        ("the surest right answer", right, -1),
        ("the least sure right answer", right, 1),
        ("the most confident mistake", ~right, -1),
    ):
        numbers = np.flatnonzero(among)
        if len(numbers):
            number = int(numbers[np.argsort(sign * confidence[numbers], kind="stable")[0]])
            chosen.setdefault(number, words)
    cases = []
    for number, words in chosen.items():
        X, label = images.batch([number]), int(answers.labels[number])
        of = images.inputs.dataset.names_of([label])[0]
        name = f"Test image {number}, class {of}: {words}"
        cases.append(Case(name, X, images.as_pictures(X)[0], label))
    return cases
