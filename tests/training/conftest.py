"""A folder of pictures and a run on it, which tests share."""

import pytest
from folder_runs import train_on
from pictures import make_folder


@pytest.fixture(scope="session")
def fruit(tmp_path_factory):
    """A folder of 200 small pictures in colour; not to be changed."""
    root = tmp_path_factory.mktemp("own") / "fruit"
    make_folder(root, 67, endings=("png", "jpg"))
    (root / "apple" / "66.png").unlink()
    return root


@pytest.fixture(scope="session")
def fruit_run(fruit, tmp_path_factory):
    """A finished run on it; not to be changed."""
    out = tmp_path_factory.mktemp("own") / "run"
    train_on(fruit, out)
    return out
