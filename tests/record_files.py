"""What tests of record files share: pictures in folders, the same in records, and records of any kind."""

import io

import numpy as np
from PIL import Image

from gluon_cnn.data.folder_files import find_pictures
from gluon_cnn.data.record_file import write_record
from gluon_cnn.data.record_pictures import pack
from gluon_cnn.data.to_records import write_records

CLASSES = ("bear", "cat", "кот")


def encoded(seed, label=0, size=(36, 30), kind="PNG"):
    """The bytes of a picture in colour that tells its class."""
    pixels = np.random.RandomState(seed).randint(0, 60, (size[1], size[0], 3)) + 60 * label
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, kind)
    return file.getvalue()


def make_folder(root, train=8, test=4):
    """A folder of pictures in two parts, or in one if ``test`` is 0."""
    parts = {"train": train, "test": test} if test else {"": train}
    for part, number in parts.items():
        for label, name in enumerate(CLASSES):
            (root / part / name).mkdir(parents=True)
            for index in range(number):
                kind = "jpeg" if index % 2 else "png"
                content = encoded(100 * label + index + (50 if part == "test" else 0), label, kind=kind)
                (root / part / name / f"{index}.{kind}").write_bytes(content)
    return root


def make_records(path, **parts):
    """The same in records."""
    write_records(find_pictures(make_folder(path.parent / "pictures", **parts)), path, lambda *_: None)
    return path


def write_plain(path, labels, picture=encoded):
    """A record file as another program writes it, without names of classes."""
    with open(path, "wb") as file:
        for index, label in enumerate(labels):
            write_record(file, pack(label, picture(index, label % 4), index))
    return path
