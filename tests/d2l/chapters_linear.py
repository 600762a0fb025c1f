"""Cells of the chapters on linear networks."""

from chapters import CLASSES, FIRST, LATER, SECOND, chapter
from mxnet import autograd, gluon, init, nd, np
from mxnet.gluon import nn


@chapter("linear-regression", *LATER, CLASSES)
def linear_regression(d2l):
    timer = d2l.Timer()
    x = np.arange(-7, 7, 0.1)
    densities = [np.exp(-((x - mean) ** 2) / 2) for mean in (0, 3)]
    assert timer.stop() >= 0
    d2l.plot(x, densities, xlabel="x", ylabel="p(x)", figsize=(4.5, 2.5), legend=["mean 0", "mean 3"])
    d2l.plot(x.asnumpy(), [density.asnumpy() for density in densities], xlabel="x")
    assert len(d2l.plt.gca().lines) == 2


@chapter("linear-regression-scratch", *LATER)
def linear_regression_from_scratch(d2l):
    X, y = d2l.synthetic_data(np.array([2, -3.4]), 4.2, 100)
    d2l.set_figsize((3.5, 2.5))
    shown = d2l.plt.scatter(X[:, 1].asnumpy(), y.asnumpy(), 1)
    assert len(shown.get_offsets()) == 100


@chapter("linear-regression-concise", *LATER)
def linear_regression_of_gluon(d2l):
    true_w = np.array([2, -3.4])
    features, labels = d2l.synthetic_data(true_w, 4.2, 60)
    net = nn.Sequential()
    net.add(nn.Dense(1))
    net.initialize(init.Normal(sigma=0.01))
    loss = gluon.loss.L2Loss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    for _ in range(3):
        for X, y in d2l.load_array((features, labels), 10):
            with autograd.record():
                error = loss(net(X), y)
            error.backward()
            trainer.step(10)
    assert abs(net[0].weight.data().reshape((-1,)) - true_w).max() < 0.1
    assert d2l.evaluate_loss(net, [(features, labels)], loss) < 0.1


@chapter("fashion-mnist", "zh-v1")
def fashion_mnist(d2l):
    train_iter, _ = d2l.load_data_fashion_mnist(18)
    X, y = next(iter(train_iter))
    shown = d2l.show_fashion_mnist(X[0:9], d2l.get_fashion_mnist_labels(y[0:9].asnumpy()))
    assert len(shown) == 9


@chapter("fashion-mnist", *LATER)
def fashion_mnist_later(d2l):
    d2l.use_svg_display()
    train_iter, _ = d2l.load_data_fashion_mnist(32, resize=64)
    X, y = next(iter(train_iter))
    assert X.shape == (32, 1, 64, 64)
    d2l.show_images(X[:18].reshape(18, 64, 64), 2, 9, titles=d2l.get_fashion_mnist_labels(y[:18]))
    assert d2l.get_dataloader_workers() in (0, 4)
    assert d2l.Timer().stop() >= 0


@chapter("softmax-regression-scratch", *FIRST)
def softmax_from_scratch(d2l):
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    W, b = nd.random.normal(scale=0.01, shape=(784, 10)), nd.zeros(10)
    for param in (W, b):
        param.attach_grad()

    def net(X):
        return nd.softmax(nd.dot(X.reshape((-1, 784)), W) + b)

    def cross_entropy(y_hat, y):
        return -nd.pick(y_hat, y).log()

    before = d2l.evaluate_accuracy(test_iter, net)
    for X, y in train_iter:
        with autograd.record():
            loss = cross_entropy(net(X), y).sum()
        loss.backward()
        d2l.sgd([W, b], 0.1, 256)
    d2l.train_ch3(net, train_iter, test_iter, cross_entropy, 2, 256, [W, b], 0.1)
    assert d2l.evaluate_accuracy(test_iter, net) > max(before, 0.4)
    X, y = next(iter(test_iter))
    true = d2l.get_fashion_mnist_labels(y.asnumpy())
    predicted = d2l.get_fashion_mnist_labels(net(X).argmax(axis=1).asnumpy())
    d2l.show_fashion_mnist(X[0:9], [a + "\n" + b for a, b in zip(true, predicted)][0:9])


@chapter("softmax-regression-scratch", *SECOND)
def softmax_from_scratch_later(d2l):
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    W, b = np.random.normal(0, 0.01, (784, 10)), np.zeros(10)
    W.attach_grad()
    b.attach_grad()

    def net(X):
        exponents = np.exp(np.dot(X.reshape((-1, W.shape[0])), W) + b)
        return exponents / exponents.sum(1, keepdims=True)

    def cross_entropy(y_hat, y):
        return -np.log(y_hat[range(len(y_hat)), y])

    def updater(batch_size):
        return d2l.sgd([W, b], 0.1, batch_size)

    sums = d2l.Accumulator(2)
    for X, y in test_iter:
        sums.add(d2l.accuracy(net(X), y), d2l.size(y))
    assert sums[0] / sums[1] == d2l.evaluate_accuracy(net, test_iter)
    _, axes = d2l.plt.subplots(1, 1)
    d2l.set_axes(axes, "epoch", None, [1, 2], [0.3, 0.9], "linear", "linear", ["train loss"])
    loss, accuracy = d2l.train_epoch_ch3(net, train_iter, cross_entropy, updater)
    assert loss > 0
    assert 0 < accuracy < 1
    assert d2l.train_ch3(net, train_iter, test_iter, cross_entropy, 2, updater)[-1].train_loss < loss
    X, y = next(iter(test_iter))
    names = d2l.get_fashion_mnist_labels(y), d2l.get_fashion_mnist_labels(net(X).argmax(axis=1))
    d2l.show_images(X[0:6].reshape((6, 28, 28)), 1, 6, titles=[a + "\n" + b for a, b in zip(*names)][0:6])


@chapter("softmax-regression-concise", *FIRST)
def softmax_of_gluon(d2l):
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    net, loss, trainer = softmax()
    history = d2l.train_ch3(net, train_iter, test_iter, loss, 2, 256, None, None, trainer)
    assert history[1].train_loss < history[0].train_loss


@chapter("softmax-regression-concise", *LATER)
def softmax_of_gluon_later(d2l):
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    net, loss, trainer = softmax()
    history = d2l.train_ch3(net, train_iter, test_iter, loss, 2, trainer)
    assert history[1].train_loss < history[0].train_loss


def softmax():
    net = nn.Sequential()
    net.add(nn.Dense(10))
    net.initialize(init.Normal(sigma=0.01))
    return net, gluon.loss.SoftmaxCrossEntropyLoss(), gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
