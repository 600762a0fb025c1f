"""Cells of the chapters on multilayer perceptrons."""

from chapters import CLASSES, FIRST, LATER, SECOND, chapter
from mxnet import autograd, gluon, init, nd, np, npx
from mxnet.gluon import nn


@chapter("mlp", *FIRST)
def curves(d2l):
    x = nd.arange(-8.0, 8.0, 0.1)
    x.attach_grad()
    with autograd.record():
        y = x.relu()
    y.backward()
    for values in (y, x.grad):
        d2l.set_figsize(figsize=(5, 2.5))
        d2l.plt.plot(x.asnumpy(), values.asnumpy())
        d2l.plt.xlabel("x")
    assert [line.get_ydata().max() for line in d2l.plt.gca().lines] == [y.max().asscalar(), 1]


@chapter("mlp", *LATER, CLASSES)
@chapter("numerical-stability-and-init", *LATER, CLASSES)
def curves_later(d2l):
    x = np.arange(-8.0, 8.0, 0.1)
    x.attach_grad()
    with autograd.record():
        y = npx.relu(x)
    d2l.set_figsize((4, 2.5))
    d2l.plot(x, y, "x", "relu(x)", figsize=(5, 2.5))
    y.backward()
    d2l.plot(x, x.grad, "x", "grad of relu", figsize=(5, 2.5))
    d2l.plot(x, [y, x.grad], legend=["relu", "gradient"], figsize=(4.5, 2.5))
    assert [line.get_ydata().max() for line in d2l.plt.gca().lines] == [float(y.max()), 1]


@chapter("mlp-scratch", *FIRST)
def mlp_from_scratch(d2l):
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    params = [nd.random.normal(scale=0.01, shape=(784, 32)), nd.zeros(32)]
    params += [nd.random.normal(scale=0.01, shape=(32, 10)), nd.zeros(10)]
    for param in params:
        param.attach_grad()

    def net(X):
        H = nd.maximum(nd.dot(X.reshape((-1, 784)), params[0]) + params[1], 0)
        return nd.dot(H, params[2]) + params[3]

    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    before = params[0].asnumpy()
    history = d2l.train_ch3(net, train_iter, test_iter, loss, 2, 256, params, 0.5)
    assert history[1].train_loss < history[0].train_loss
    assert (params[0].asnumpy() != before).any()


@chapter("mlp-scratch", *LATER)
def mlp_from_scratch_later(d2l):
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    params = [np.random.normal(scale=0.01, size=(784, 32)), np.zeros(32)]
    params += [np.random.normal(scale=0.01, size=(32, 10)), np.zeros(10)]
    for param in params:
        param.attach_grad()

    def net(X):
        H = np.maximum(np.dot(X.reshape((-1, 784)), params[0]) + params[1], 0)
        return np.dot(H, params[2]) + params[3]

    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    d2l.train_ch3(net, train_iter, test_iter, loss, 2, lambda batch_size: d2l.sgd(params, 0.5, batch_size))
    assert len(d2l.predict_ch3(net, test_iter)) == 6


@chapter("mlp-concise", *FIRST)
@chapter("dropout", *FIRST)
def layers(d2l):
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    net, loss, trainer = mlp()
    history = d2l.train_ch3(net, train_iter, test_iter, loss, 2, 256, None, None, trainer)
    assert history[1].train_loss < history[0].train_loss


@chapter("mlp-concise", *LATER)
@chapter("dropout", *LATER)
def layers_later(d2l):
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    net, loss, trainer = mlp()
    history = d2l.train_ch3(net, train_iter, test_iter, loss, 2, trainer)
    assert history[1].train_loss < history[0].train_loss


def mlp():
    net = nn.Sequential()
    net.add(nn.Dense(32, activation="relu"), nn.Dropout(0.2), nn.Dense(10))
    net.initialize(init.Normal(sigma=0.01))
    return net, gluon.loss.SoftmaxCrossEntropyLoss(), gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})


@chapter("underfit-overfit", *FIRST)
def degrees(d2l):
    losses = [4.0, 2.0, 1.0]
    d2l.set_figsize((3.5, 2.5))
    d2l.plt.xlabel("epochs")
    d2l.plt.semilogy(range(1, 4), losses)
    d2l.plt.legend(["train"])
    assert d2l.plt.gca().get_yscale() == "log"


@chapter("underfit-overfit", *SECOND)
def degrees_later(d2l):
    features = np.random.normal(size=(40, 4))
    labels = np.dot(features, np.array([5, 1.2, -3.4, 5.6]))
    net, loss = nn.Dense(1, use_bias=False), gluon.loss.L2Loss()
    net.initialize()
    train_iter = d2l.load_array((features[:30], labels[:30]), 10)
    test_iter = d2l.load_array((features[30:], labels[30:]), 10, is_train=False)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    options = {"xlabel": "epoch", "ylabel": "loss", "yscale": "log", "xlim": [1, 2], "ylim": [1e-3, 1e2]}
    animator = d2l.Animator(**options, legend=["train", "test"])
    for epoch in range(2):
        d2l.train_epoch_ch3(net, train_iter, loss, trainer)
        sums = d2l.Accumulator(2)
        for X, y in test_iter:
            losses = loss(net(X), y)
            sums.add(losses.sum(), losses.size)
        animator.add(epoch + 1, (d2l.evaluate_loss(net, train_iter, loss), sums[0] / sums[1]))
    assert animator.Y[1][1] == d2l.evaluate_loss(net, test_iter, loss)
    assert animator.Y[0][1] < animator.Y[0][0]


@chapter("weight-decay", *FIRST)
def decay(d2l):
    X = nd.random.normal(shape=(20, 200))
    y = nd.dot(X, nd.ones((200, 1)) * 0.01) + 0.05
    w, b = nd.random.normal(scale=1, shape=(200, 1)), nd.zeros(1)
    w.attach_grad()
    b.attach_grad()
    net, loss = d2l.linreg, d2l.squared_loss
    losses = []
    for _ in range(3):
        with autograd.record():
            error = loss(net(X, w, b), y) + 3 * (w**2).sum() / 2
        error.backward()
        d2l.sgd([w, b], 0.003, 20)
        losses.append(loss(net(X, w, b), y).mean().asscalar())
    assert losses[2] < losses[0]
    d2l.semilogy(range(1, 4), losses, "epochs", "loss", range(1, 4), losses, ["train", "test"])
    d2l.semilogy(range(1, 4), losses, "epochs", "rmse")


@chapter("weight-decay", *LATER)
def decay_later(d2l):
    true_w, true_b = np.ones((200, 1)) * 0.01, 0.05
    train_iter = d2l.load_array(d2l.synthetic_data(true_w, true_b, 20), 5)
    test_iter = d2l.load_array(d2l.synthetic_data(true_w, true_b, 10), 5, is_train=False)
    w, b = np.random.normal(scale=1, size=(200, 1)), np.zeros(1)
    w.attach_grad()
    b.attach_grad()

    def net(X):
        return d2l.linreg(X, w, b)

    loss, animator = d2l.squared_loss, d2l.Animator(xlabel="epochs", yscale="log", legend=["train", "test"])
    for epoch in range(2):
        for X, y in train_iter:
            with autograd.record():
                error = loss(net(X), y) + 3 * (w**2).sum() / 2
            error.backward()
            d2l.sgd([w, b], 0.003, 5)
        animator.add(epoch + 1, (d2l.evaluate_loss(net, train_iter, loss), d2l.evaluate_loss(net, test_iter, loss)))
    assert animator.Y[0][1] < animator.Y[0][0]
    d2l.plot(list(range(1, 3)), animator.Y, xlabel="epoch", xlim=[1, 2], legend=["train", "valid"], yscale="log")
