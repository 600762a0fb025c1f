"""Cells of the chapters on computational performance."""

import contextlib
import io
import re

import mxnet as mx
from chapters import CLASSES, FIRST, LATER, SECOND, chapter
from mxnet import autograd, gluon, init, nd, np, npx
from mxnet.gluon import nn


@chapter("hybridize", *LATER, CLASSES)
def hybridize(d2l):
    """The benchmark is the chapter's own, of the timer."""
    net = nn.HybridSequential()
    net.add(nn.Dense(8, activation="relu"), nn.Dense(2))
    net.initialize()
    net.hybridize()
    timer = d2l.Timer()
    net(np.ones((1, 4)))
    npx.waitall()
    assert timer.stop() > 0


@chapter("auto-parallelism", "zh-v1")
def benchmarks(d2l):
    with d2l.Benchmark("Workloads are queued."):
        y = nd.random.uniform(shape=(10, 10)).sum()
    with d2l.Benchmark():
        y.wait_to_read()
    assert d2l.Benchmark(prefix="numpy").description == "numpy time"


@chapter("async-computation", "en-0.7")
@chapter("auto-parallelism", "en-0.7")
def benchmarks_with_a_place(d2l):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        with d2l.benchmark("mxnet.np: %.4f sec"):
            y = np.random.uniform(size=(10, 10)).sum()
        with d2l.benchmark():
            y.wait_to_read()
    assert re.fullmatch(r"mxnet\.np: [0-9.]+ sec\nDone in [0-9.]+ sec\n", printed.getvalue())


@chapter("async-computation", *SECOND, CLASSES)
@chapter("auto-parallelism", *SECOND, CLASSES)
def benchmarks_later(d2l):
    devices = d2l.try_all_gpus()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        with d2l.Benchmark("GPU1 time"):
            y = np.random.uniform(size=(10, 10), ctx=devices[0]).sum()
            npx.waitall()
        with d2l.Benchmark():
            d2l.to(y, d2l.try_gpu())
    assert re.fullmatch(r"GPU1 time: [0-9.]+ sec\nDone: [0-9.]+ sec\n", printed.getvalue())


@chapter("multiple-gpus", *FIRST)
def several_devices(d2l):
    ctx = [mx.cpu(0), mx.cpu(1)]
    train_iter, test_iter = d2l.load_data_fashion_mnist(64)
    drawn = nd.random.normal(scale=0.1, shape=(784, 10))
    weights = [drawn.copyto(c) for c in ctx]
    for w in weights:
        w.attach_grad()
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    for X, y in train_iter:
        Xs, ys = gluon.utils.split_and_load(X, ctx), gluon.utils.split_and_load(y, ctx)
        with autograd.record():
            errors = [loss(nd.dot(X.reshape((-1, 784)), w), y).sum() for X, y, w in zip(Xs, ys, weights)]
        for error in errors:
            error.backward()
        total = sum(w.grad.as_in_context(ctx[0]) for w in weights)
        for w in weights:
            total.copyto(w.grad)
            d2l.sgd([w], 0.1, X.shape[0])
    assert abs(weights[0] - weights[1].as_in_context(ctx[0])).max().asscalar() == 0
    assert d2l.evaluate_accuracy(test_iter, lambda x: nd.dot(x.reshape((-1, 784)), weights[1]), ctx[1]) > 0.3


@chapter("multiple-gpus", *LATER, CLASSES)
def several_devices_later(d2l):
    devices = [mx.cpu(0), mx.cpu(1)]
    train_iter, test_iter = d2l.load_data_fashion_mnist(64)
    W = np.random.normal(scale=0.1, size=(784, 10), ctx=devices[1])
    W.attach_grad()
    for X, y in train_iter:
        X_shards, y_shards = d2l.split_batch(X, y, devices)
        with autograd.record():
            loss = gluon.loss.SoftmaxCrossEntropyLoss()(np.dot(X_shards[1].reshape((-1, 784)), W), y_shards[1])
        loss.backward()
        d2l.sgd([W], 0.1, X.shape[0])
    animator, timer = d2l.Animator("epoch", "test acc", xlim=[1, 2]), d2l.Timer()
    found = d2l.evaluate_accuracy_gpu(lambda x: np.dot(x.reshape((-1, 784)), W), test_iter, devices[1])
    timer.stop()
    animator.add(1, (found,))
    assert animator.Y[0][-1] == found > 0.15
    assert f"{timer.avg():.1f}"


@chapter("multiple-gpus-concise", *FIRST)
def several_devices_of_gluon(d2l):
    net, ctx, loss, trainer = on_two_devices(d2l)
    train_iter, test_iter = d2l.load_data_fashion_mnist(64)
    d2l.train(train_iter, test_iter, net, loss, trainer, ctx, 1)
    assert 0 <= d2l.evaluate_accuracy(test_iter, net, ctx[0]) <= 1


@chapter("multiple-gpus-concise", *LATER, CLASSES)
def several_devices_of_gluon_later(d2l):
    net, devices, loss, trainer = on_two_devices(d2l)
    train_iter, test_iter = d2l.load_data_fashion_mnist(63)
    X, y = next(iter(train_iter))
    X_shards, y_shards = d2l.split_batch(X, y, devices)
    assert [len(shard) for shard in X_shards] == [len(shard) for shard in y_shards] == [32, 31]
    loss_sum, right = d2l.train_batch_ch13(net, X, y, loss, trainer, devices, d2l.split_batch)
    assert loss_sum > 0
    assert 0 <= right <= 63
    found = d2l.evaluate_accuracy_gpus(net, test_iter, d2l.split_batch)
    shards = [d2l.split_batch(X, y, devices) for X, y in test_iter]
    count = sum(d2l.accuracy(net(X), y) for part in shards for X, y in zip(*part))
    assert found == count / sum(len(y) for _, y in test_iter)
    d2l.train_ch13(net, train_iter, test_iter, loss, trainer, 1, devices)


def on_two_devices(d2l):
    """Of the chapter's residual network, one block."""
    ctx, net = [mx.cpu(0), mx.cpu(1)], nn.Sequential()
    net.add(d2l.Residual(4, use_1x1conv=True, strides=2), nn.GlobalAvgPool2D(), nn.Dense(10))
    net.initialize(init.Normal(sigma=0.01), ctx=ctx)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    return net, ctx, gluon.loss.SoftmaxCrossEntropyLoss(), trainer
