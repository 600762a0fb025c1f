"""The history of a run: its columns, its file, and the loss of a guess."""

import math

import pytest

from gluon_cnn import GluonCNNError
from gluon_cnn.training.history import COLUMNS, MEASURES, EpochResult, is_a_guess, read_history, write_history

HISTORY = [
    EpochResult(1, 2.302585, 0.1, 0.125, 1.25, 4000.5, 3),
    EpochResult(2, 0.75, 0.7123, 0.6875, 1.5, 3900.0, 0),
]


def test_file_gives_back_what_was_written(tmp_path):
    write_history(tmp_path / "history.csv", HISTORY)
    assert read_history(tmp_path / "history.csv") == HISTORY
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


def test_file_has_the_columns_in_order(tmp_path):
    write_history(tmp_path / "history.csv", HISTORY)
    first, second, _ = (tmp_path / "history.csv").read_text().splitlines()
    assert first == "epoch,train_loss,train_acc,test_acc,seconds,examples_per_sec,dead_classes"
    assert first.split(",") == [column.name for column in COLUMNS]
    assert second == "1,2.302585,0.100000,0.125000,1.25,4000.5,3"


def test_dead_classes_may_be_unknown(tmp_path):
    path = tmp_path / "history.csv"
    write_history(path, [EpochResult(1, 2.0, 0.5, 0.5, 1.0, 100.0)])
    assert read_history(path)[0].dead_classes is None
    path.write_text("\n".join(line.rpartition(",")[0] for line in path.read_text().splitlines()))
    assert read_history(path)[0].dead_classes is None


def test_file_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "history.csv"
    write_history(path, HISTORY)
    path.write_bytes(path.read_text().replace("\n", "\r\n").encode("utf-8-sig"))
    assert read_history(path) == HISTORY


def test_rows_are_as_many_as_epochs(tmp_path):
    write_history(tmp_path / "history.csv", HISTORY)
    assert read_history(tmp_path / "history.csv", 2) == HISTORY
    with pytest.raises(GluonCNNError, match="it has more epochs than the recipe, 1"):
        read_history(tmp_path / "history.csv", 1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,nan,0.1,0.1,1,1,0", "row 1: Expected `float`"),
        ("1,2.3,0.1,inf,1,1,0", "Expected `float` <= 1.0 - at `$.test_acc`"),
        ("2,2.3,0.1,0.1,1,1,0", "its epochs are not 1, 2, 3, ..."),
        ("1,much,0.1,0.1,1,1,0", "row 1: Expected `float`, got `str` - at `$.train_loss`"),
        ("1,2.3,0.1", "row 1: Expected `float`, got `null` - at `$.test_acc`"),
        ("\x00", "cannot be read as a run's history"),
    ],
)
def test_file_that_is_no_history(tmp_path, row, reason):
    path = tmp_path / "history.csv"
    path.write_text(f"{','.join(column.name for column in COLUMNS)}\n{row}\n")
    with pytest.raises(GluonCNNError, match="cannot be read as a run's history") as error:
        read_history(path)
    assert reason in str(error.value)


def test_missing_file_and_missing_column(tmp_path):
    with pytest.raises(GluonCNNError, match=f"{tmp_path} has no history.csv: name the directory of a run"):
        read_history(tmp_path / "history.csv")
    (tmp_path / "history.csv").write_text("epoch,train_loss\n1,2\n")
    with pytest.raises(GluonCNNError, match=r"cannot be read as a run's history .*train_acc"):
        read_history(tmp_path / "history.csv")


def test_runs_are_compared_by_loss_and_accuracies():
    assert list(MEASURES) == ["train_loss", "train_acc", "test_acc"]
    assert [column.words for column in MEASURES.values()] == ["train loss", "train accuracy", "test accuracy"]


@pytest.mark.parametrize(("loss", "classes", "expected"), [(2.3026, 10, True), (2.29, 10, False), (0.7, 2, True)])
def test_loss_of_a_guess(loss, classes, expected):
    assert is_a_guess(loss, classes) is expected
    assert is_a_guess(math.log(classes), classes)
