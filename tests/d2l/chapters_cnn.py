"""Cells of the chapters on convolutional networks."""

from chapters import LATER, SECOND, chapter
from mxnet import autograd, gluon, init, nd, np
from mxnet.gluon import nn

#: The chapters that train a network at the end, with what they show it: height and width.
TRAINED = {"lenet": None, "alexnet": 224, "vgg": 224, "nin": 224, "googlenet": 96, "resnet": 96, "densenet": 96}
TRAINED["batch-norm"] = None


def small():
    """A network for the cells that train one, as every chapter builds its own."""
    net = nn.Sequential()
    net.add(nn.Conv2D(4, kernel_size=5, strides=3, activation="relu"), nn.GlobalAvgPool2D(), nn.Dense(10))
    return net


def trained_with_a_loss(resize):
    def cells(d2l):
        """As it was until August 2018."""
        net, ctx, lr = small(), d2l.try_gpu(), 0.1
        net.initialize(ctx=ctx, init=init.Xavier())
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": lr})
        train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=128, resize=resize)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        assert len(d2l.train_ch5(net, train_iter, test_iter, loss, 128, trainer, ctx, 1)) == 1

    return cells


def trained(resize):
    def cells(d2l):
        net, ctx = small(), d2l.try_gpu()
        net.initialize(force_reinit=True, ctx=ctx, init=init.Xavier())
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        train_iter, test_iter = d2l.load_data_fashion_mnist(128, resize=resize)
        assert len(d2l.train_ch5(net, train_iter, test_iter, 128, trainer, ctx, 1)) == 1

    return cells


def trained_later(name, *arguments):
    def of(resize):
        def cells(d2l):
            train_iter, test_iter = d2l.load_data_fashion_mnist(128, resize=resize)
            device = [getattr(d2l, argument)() for argument in arguments]
            assert len(getattr(d2l, name)(small(), train_iter, test_iter, 1, 0.1, *device)) == 1

        return cells

    return of


for name, resize in TRAINED.items():
    chapter(name, "gluonbook")(trained_with_a_loss(resize))
    chapter(name, "zh-v1")(trained(resize))
    if name == "lenet":
        continue  # which has a loop of its own later
    chapter(name, "en-0.7")(trained_later("train_ch5")(resize))
    chapter(name, "en-0.14")(trained_later("train_ch6")(resize))
    chapter(name, "zh-v2")(trained_later("train_ch6", "try_gpu")(resize))


@chapter("channels", "zh-v1")
def correlation(d2l):
    X, K = nd.arange(9).reshape((3, 3)), nd.arange(4).reshape((2, 2))
    assert d2l.corr2d(X, K).asnumpy().tolist() == [[19, 25], [37, 43]]
    assert nd.add_n(*[d2l.corr2d(x, k) for x, k in zip(nd.stack(X, X), nd.stack(K, K))])[0, 0] == 38


@chapter("conv-layer", *SECOND)
@chapter("channels", *LATER)
def correlation_later(d2l):
    X, K = np.arange(9).reshape((3, 3)), np.arange(4).reshape((2, 2))
    assert d2l.corr2d(X, K).tolist() == [[19, 25], [37, 43]]
    assert d2l.corr2d(d2l.transpose(X), K).shape == (2, 2)
    assert sum(d2l.corr2d(x, k) for x, k in zip(np.stack([X, X]), np.stack([K, K])))[0, 0] == 38


@chapter("lenet", *LATER)
def own_loop(d2l):
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=256)
    net, device, loss = small(), d2l.try_gpu(), gluon.loss.SoftmaxCrossEntropyLoss()
    net.initialize(force_reinit=True, ctx=device, init=init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    legend = ["train loss", "train acc", "test acc"]
    animator, timer = d2l.Animator(xlabel="epoch", xlim=[1, 2], legend=legend), d2l.Timer()
    sums = d2l.Accumulator(3)
    for i, (X, y) in enumerate(train_iter):
        timer.start()
        X, y = X.as_in_ctx(device), y.as_in_ctx(device)
        with autograd.record():
            y_hat = net(X)
            error = loss(y_hat, y)
        error.backward()
        trainer.step(X.shape[0])
        sums.add(error.sum(), d2l.accuracy(y_hat, y), X.shape[0])
        timer.stop()
        animator.add((i + 1) / len(train_iter), (sums[0] / sums[2], sums[1] / sums[2], None))
    right = d2l.Accumulator(2)
    for X, y in test_iter:
        right.add(d2l.accuracy(net(X), y), d2l.size(y))
    test_acc = d2l.evaluate_accuracy_gpu(net, test_iter)
    assert right[0] / right[1] == test_acc
    animator.add(1, (None, None, test_acc))
    assert sums[2] / timer.sum() > 0
