"""What a run's network answers for the test images after its last epoch, and the file that keeps it, ``answers.json``:
which classes it takes for which, and its worst mistakes with their pictures. Nothing here needs MXNet."""

import dataclasses
import json
import logging
from typing import List, Tuple

import numpy as np
from msgspec import Meta

from gluon_cnn.data.thumbnail import thumbnail
from gluon_cnn.decoding import Annotated, Count, Fraction, convert, read_json, within
from gluon_cnn.errors import GluonCNNError, Malformed
from gluon_cnn.files import reason_of, write_atomically

__all__ = ["ANSWERS", "KeptAnswers", "Mistake", "kept_answers", "read_answers", "write_answers"]

log = logging.getLogger(__name__)

ANSWERS = "answers.json"
_WORST = 9  # mistakes that are kept

#: A PNG in base64, of a :func:`gluon_cnn.data.thumbnail.thumbnail`.
_Picture = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]*={0,2}\Z", max_length=1 << 15)]


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A wrong answer.

    Attributes
    ----------
    image : int
        The number of the image in the test part, from 0.
    label, answer : int
        The right class, and the network's.
    confidence : float
        The probability that the network gives its answer.
    picture : str
        A PNG in base64; empty if there is none.
    """

    image: Count
    label: Count
    answer: Count
    confidence: Fraction
    picture: _Picture = ""


@dataclasses.dataclass(frozen=True)
class KeptAnswers:
    """A network's answers for the test images.

    Attributes
    ----------
    epoch : int
        After which they were given.
    classes : int
    counts : list of (int, int, int)
        Right class, answer, and of how many images; those without an image are left out.
    mistakes : list of Mistake
        The most confident ones, the worst first.
    """

    epoch: within("epochs")
    classes: within("num_classes")
    counts: List[Tuple[Count, Count, Count]]
    mistakes: Annotated[List[Mistake], Meta(max_length=_WORST)]

    def __post_init__(self):
        named = [*((label, answer) for label, answer, _ in self.counts), *((m.label, m.answer) for m in self.mistakes)]
        if any(max(pair) >= self.classes for pair in named):
            raise ValueError(f"it names a class beyond its {self.classes}")

    def confusion(self):
        """How many images of each class, by row, got each answer, by column; int classes×classes, which of many classes
        takes much memory."""
        counts = np.zeros((self.classes, self.classes), int)
        for label, answer, number in self.counts:
            counts[label, answer] = number
        return counts


def kept_answers(epoch, classes, labels, answers, confidence, images):
    """The :class:`KeptAnswers` of all test images.

    Parameters
    ----------
    epoch, classes : int
    labels, answers : np.ndarray
        int N: the right classes, and the network's answers.
    confidence : np.ndarray
        N: the probability of each answer.
    images
        As the data set stores them, see :class:`gluon_cnn.data.Part`.

    Returns
    -------
    KeptAnswers
    """
    pairs, numbers = np.unique(np.stack([labels, answers], axis=1), axis=0, return_counts=True)
    confidence = np.nan_to_num(confidence).clip(0, 1)
    wrong = np.flatnonzero(labels != answers)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")[:_WORST]]
    mistakes = [
        Mistake(int(i), int(labels[i]), int(answers[i]), float(confidence[i]), thumbnail(images[i : i + 1][0]))
        for i in worst
    ]
    counts = [(int(label), int(answer), int(number)) for (label, answer), number in zip(pairs, numbers)]
    return KeptAnswers(epoch, classes, counts, mistakes)


def write_answers(run, kept):
    """Write a run's ``answers.json``; a warning if it cannot be written, because nothing but the report needs it."""
    try:
        with run.writing(run.directory / ANSWERS) as path, write_atomically(path) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(kept)) + "\n", encoding="utf-8")
    except GluonCNNError as error:
        log.warning(str(error))
    except OSError as error:
        log.warning(f"{run.directory / ANSWERS} cannot be written ({reason_of(error)}): the report will not have it")


def read_answers(run):
    """The :class:`KeptAnswers` of a run's last epoch.

    Returns
    -------
    KeptAnswers or None
        None if none are kept, or those of an earlier epoch.

    Raises
    ------
    Malformed
        If the file cannot be read as what :func:`write_answers` wrote.
    """
    try:
        kept = convert(read_json(run.directory / ANSWERS), KeptAnswers)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Malformed as error:
        raise Malformed(f"{run.directory / ANSWERS} cannot be read ({error})") from None
    return kept if kept.epoch == run.epochs_done else None
