"""Figures of what an answer hangs on: Grad-CAM and occlusion for several classes."""

from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from gluon_cnn.errors import ModelError
from gluon_cnn.inspection.attribution import grad_cam, last_convolution, occlusions
from gluon_cnn.inspection.figures.sheet import Sheet, picture_of
from gluon_cnn.inspection.figures.style import WIDTH, Drawn, figure_function, limit_of
from gluon_cnn.inspection.layers import as_batch, output_of
from gluon_cnn.inspection.words import per_cent, place_in_words, short

__all__ = ["Reasons", "reasons"]


class Reasons(NamedTuple):
    """What speaks for some classes in a picture.

    Attributes
    ----------
    picture : np.ndarray
        C×H×W in [0, 1].
    classes : np.ndarray
        int: the predicted one first.
    logits, probabilities : np.ndarray
        Of each of these classes.
    grad_cam : np.ndarray or None
        classes×H'×W', with a sign; None if ``left_out`` says why not.
    path : str or None
        Grad-CAM's layer.
    occlusion : np.ndarray
        classes×H×W: how much the logit drops where that place is hidden, with a sign.
    left_out : str
        Why Grad-CAM is not there; empty if it is.
    """

    picture: np.ndarray
    classes: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    grad_cam: np.ndarray
    path: str
    occlusion: np.ndarray
    left_out: str


@figure_function
def reasons(net, X, picture, names=(), others=None, *, field=None, fill=0.0):
    """Draw Grad-CAM and occlusion of a picture for the predicted class and for others.

    Parameters
    ----------
    net : Block
    X : array
        1×C×H×W as the network takes it.
    picture : np.ndarray
        The same C×H×W in [0, 1].
    names : sequence of str
        The classes' names.
    others : list of int, optional
        By default the second most probable class.
    field : callable, optional
        Gives the :class:`gluon_cnn.inspection.receptive.ReceptiveField` of a path, or None.
    fill : float, default 0
        What hides a part, as the network takes it.

    Returns
    -------
    Drawn
        ``arrays`` is :class:`Reasons`.
    """
    arrays = _reasons(net, X, picture, others, fill)
    names = (*map(str, names), *(f"class {n}" for n in range(len(names), 1 + int(arrays.classes.max()))))
    size, heading = WIDTH / 3, 0.22
    height = heading + size
    sheet = Sheet(0.2 + len(arrays.classes) * height + 0.4)
    for place, words in enumerate(("", "Grad-CAM", "occlusion")):
        sheet.words(words, (place + 0.5) * size, 0.02, ha="center")
    limits = [limit_of(arrays.grad_cam) if arrays.grad_cam is not None else 1.0, limit_of(arrays.occlusion)]
    gray = 0.6 * picture_of(picture)
    field_of = field(arrays.path) if field and arrays.path else None
    for row, label in enumerate(arrays.classes):
        top = 0.2 + row * height
        sheet.words(f"for {short(names[label], 30)}, {per_cent(arrays.probabilities[row])}", 0.05, top + 0.02)
        boxes = [sheet.picture(gray, n * size + 0.05, top + heading, size - 0.1) for n in (1, 2)]
        sheet.picture(picture_of(picture), 0.05, top + heading, size - 0.1)
        if arrays.grad_cam is not None:
            sheet.overlay_map(arrays.grad_cam[row], boxes[0], limits[0], field_of, picture.shape[1:])
        sheet.overlay(arrays.occlusion[row], boxes[1], limits[1])
    sheet.scale(1, 0.2 + len(arrays.classes) * height + 0.06, "against and for, of the largest", overlay=True)
    return Drawn(arrays, sheet.figure, *_in_words(arrays, names, fill))


def _reasons(net, X, picture, others, fill):
    logits = output_of(net, as_batch(net, X)).asnumpy()[0].astype(float)
    order = np.argsort(-logits, kind="stable")
    classes = [int(order[0]), *(order[1:2].tolist() if others is None else others)]
    classes = np.array(list(dict.fromkeys(classes)))
    maps, path, left_out = None, None, ""
    try:
        path = last_convolution(net)
        maps = np.concatenate([grad_cam(net, X, path, label).signed for label in classes.tolist()])
    except ModelError as error:
        path, left_out = None, str(error)
    window, stride = (tuple(max(1, side // n) for side in picture.shape[1:]) for n in (7, 14))
    hidden = occlusions(net, X, classes.tolist(), window=window, stride=stride, fill=fill)
    return Reasons(
        picture,
        classes,
        logits[classes],
        softmax(logits)[classes],
        maps,
        path,
        np.concatenate([one.maps for one in hidden]),
        left_out,
    )


def _in_words(arrays, names, fill):
    hidden, best = arrays.occlusion[0], names[arrays.classes[0]]
    place = np.unravel_index(hidden.argmax(), hidden.shape)
    where = place_in_words(*place, hidden.shape)
    drop, logit = hidden.max(), arrays.logits[0]
    title = f"The answer {best} ({per_cent(arrays.probabilities[0])}) hangs most on {where}"
    words = f"Hiding {where} takes {drop:.2f} from the logit of {best}, {logit:.2f}. "
    if drop <= 0:
        title = f"No single place is needed for the answer {best} ({per_cent(arrays.probabilities[0])})"
        words = f"Wherever a part is hidden, the logit of {best}, {logit:.2f}, does not fall. "
    for row, label in enumerate(arrays.classes[1:], 1):
        other = arrays.occlusion[row]
        spot = place_in_words(*np.unravel_index(other.argmax(), other.shape), other.shape)
        against = -other.min()
        words += f"For {names[label]} ({arrays.logits[row]:.2f}) {spot} speaks most ({other.max():+.2f})"
        words += f"; hiding another part raises it by {against:.2f}. " if against > 0 else ". "
    if arrays.grad_cam is not None:
        first = arrays.grad_cam[0]
        spot = place_in_words(*np.unravel_index(first.argmax(), first.shape), first.shape)
        if first.max() <= 0:
            words += f"Grad-CAM finds nothing in layer {arrays.path} that speaks for {best}. "
        elif spot == where:
            words += f"Grad-CAM, from layer {arrays.path}, points to the same place. "
        else:
            words += f"Grad-CAM, from layer {arrays.path}, points to {spot} instead. "
    else:
        words += f"Without Grad-CAM: {arrays.left_out} "
    words += f"Where a part is filled with {fill:g}, the network sees a picture of a kind that it never saw."
    return title, words
