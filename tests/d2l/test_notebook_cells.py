"""What a notebook shows under cells that end in the helpers, in a real kernel."""

import re

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    """
from gluon_cnn import d2l
import mxnet as mx
from mxnet import gluon
from mxnet.gluon import nn
from gluon_cnn.data import SAMPLE
train_iter, test_iter = d2l.load_data_fashion_mnist(32, root=SAMPLE, train_size=320, test_size=64)
X, y = next(iter(test_iter))
net, loss = nn.Dense(10), gluon.loss.SoftmaxCrossEntropyLoss()
net.initialize()
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
""",
    "d2l.train_ch5(net, train_iter, test_iter, 32, trainer, mx.cpu(), 2)",
    "d2l.train(train_iter, test_iter, net, loss, trainer, mx.cpu(), 1)",
    "d2l.show_fashion_mnist(X[:3], y[:3].asnumpy())",
    "d2l.show_images(X[:3, 0], 1, 3)",
    "d2l.train_ch6(net, train_iter, test_iter, 1, 0.1)",
    "d2l.train_ch3(net, train_iter, test_iter, loss, 1, trainer)",
    "d2l.train_ch3(net, train_iter, test_iter, loss, 2, 32, None, None, trainer)",
    "d2l.train_ch13(net, train_iter, test_iter, loss, trainer, 1, [mx.cpu()])",
    "d2l.plot(range(3), range(3), 'x', 'y')",
    # How often the curves are drawn, and where their points are.
    """
drawn = []
add = d2l.Animator.add
d2l.Animator.add = lambda animator, x, y: (drawn.append((x, y)), add(animator, x, y))[1]
first, _ = d2l.train_ch6(net, train_iter, test_iter, 2, 0.1)
d2l.train_ch6(net, (batch for batch in list(train_iter)), test_iter, 1, 0.1)
print([x for x, _ in drawn])
print([x for x, (_, _, test_acc) in drawn if test_acc is not None])
print(drawn[4][1] == (first.train_loss, first.train_acc, first.test_acc))
""",
    # The edition with classes.
    """
model, data = d2l.SoftmaxRegression(10, lr=0.1), d2l.FashionMNIST(32, root=SAMPLE, train_size=320, test_size=64)
d2l.Trainer(max_epochs=2, num_gpus=1).fit(model, data)
""",
    "data.visualize((X, y))",
    """
from matplotlib import pyplot
axes, = model.board.fig.axes
print([len(line.get_xdata()) for line in axes.lines], [text.get_text() for text in axes.get_legend().texts])
print(axes.get_xlabel(), axes.get_xlim(), axes.get_yscale(), model.board.data['val_acc'][-1].x)
print([line.get_linestyle() for line in axes.lines], [line.get_color() for line in axes.lines])
""",
    """
figure, other = pyplot.subplots()
board = d2l.ProgressBoard('n', axes=other, yscale='log', colors=['red'])
for n in range(1, 3):
    board.draw(n, n, 'a')
    board.draw(n, 2 * n, 'b')
print(board.fig is figure, other.get_yscale(), {line.get_color() for line in other.lines}, other.get_xlabel())
pyplot.close(figure)
""",
]


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The outputs of each cell: its text, and the kinds of what else it shows."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in CELLS])
    directory = tmp_path_factory.mktemp("notebook")
    done = NotebookClient(notebook, timeout=250, resources={"metadata": {"path": str(directory)}}).execute()
    return [cell.outputs for cell in done.cells]


def text(outputs):
    return "".join(output.text for output in outputs if output.output_type == "stream")


def shown(outputs):
    """The kinds of data of what a cell displays, most telling first."""
    return [next(iter(sorted(output.data))) for output in outputs if "data" in output]


def test_trainings_show_a_table_of_their_epochs(cells):
    for outputs, epochs in ((cells[1], 2), (cells[2], 1), (cells[7], 2)):
        assert len(re.findall("^epoch", text(outputs), re.MULTILINE)) == epochs
        assert shown(outputs) == ["text/html"]
        (result,) = (output for output in outputs if output.output_type == "execute_result")
        assert result.data["text/html"].count("<tr>") == 1 + epochs
        assert "<th>train loss</th>" in result.data["text/html"]
        assert result.data["text/plain"].startswith("epoch 1, loss ")


def test_pictures_show_nothing_but_themselves(cells):
    for outputs in cells[3], cells[4], cells[9]:
        assert len(shown(outputs)) == 1
        assert shown(outputs)[0].startswith("image/")
        assert text(outputs) == ""


@pytest.mark.parametrize("cell", [5, 6, 8])
def test_curves_stay_under_a_training(cells, cell):
    kinds = sorted(shown(cells[cell]))
    assert kinds == ["image/svg+xml", "text/html"]
    assert ("examples/sec" in text(cells[cell])) == (cell != 6)
    assert not re.search("^epoch", text(cells[cell]), re.MULTILINE)


def test_curves_have_five_points_an_epoch(cells):
    """One at its end where the data do not say how many batches they have, as a generator."""
    points, ends, same = text(cells[10]).splitlines()[-3:]
    assert points == "[0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2, 1]"
    assert ends == "[1, 2, 1]"
    assert same == "True"


def test_board_stays_under_a_training(cells):
    assert shown(cells[11]) == ["image/svg+xml"]
    assert text(cells[11]) == ""
    assert len(shown(cells[12])) == 1
    assert text(cells[13]).splitlines() == [
        "[4, 2, 2] ['train_loss', 'val_loss', 'val_acc']",
        "epoch (0.0, 2.0) linear 2.0",
        "['-', '--', '-.'] ['C0', 'C1', 'C2']",
    ]
    assert text(cells[14]) == "True log {'red'} n\n"
