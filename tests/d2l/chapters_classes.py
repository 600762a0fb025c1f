"""Cells of the chapters on convolutional networks as the English edition has them since 1.0, where it has classes."""

from chapters import CLASSES, chapter
from mxnet import autograd, init, np, npx
from mxnet.gluon import nn


def built(d2l, layers):
    """A model with a network of these layers, as each chapter defines its own."""

    class Model(d2l.Classifier):
        def __init__(self, lr=0.1, num_classes=10):
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Sequential()
            self.net.add(*layers(self.num_classes))
            self.net.initialize(init.Xavier())

    return Model


def fitted(d2l, model, size=None):
    """The model after one epoch, as the last cell of each chapter trains it."""
    data = d2l.FashionMNIST(batch_size=128, **({"resize": (size, size)} if size else {}))
    trainer = d2l.Trainer(max_epochs=1, num_gpus=1)
    trainer.fit(model, data)
    assert list(model.board.data) == ["train_loss", "val_loss", "val_acc"]
    assert [len(curve) for curve in model.board.data.values()] == [2, 1, 1]
    assert all(0 <= point.y < 20 for curve in model.board.data.values() for point in curve)
    return model


@chapter("conv-layer", CLASSES)
def correlation(d2l):
    def corr2d(X, K):
        h, w = K.shape
        Y = d2l.zeros((X.shape[0] - h + 1, X.shape[1] - w + 1))
        for i in range(Y.shape[0]):
            for j in range(Y.shape[1]):
                Y[i, j] = d2l.reduce_sum(X[i : i + h, j : j + w] * K)
        return Y

    X = d2l.ones((4, 6))
    X[:, 2:4] = 0
    K = d2l.tensor([[1.0, -1.0]])
    Y = corr2d(X, K)
    assert Y.tolist() == d2l.corr2d(X, K).tolist() == [[0, 1, 0, -1, 0]] * 4
    assert float(abs(corr2d(d2l.transpose(X), K)).max()) == 0
    layer = nn.Conv2D(1, kernel_size=(1, 2), use_bias=False)
    layer.initialize()
    for _ in range(10):
        with autograd.record():
            error = (layer(X.reshape(1, 1, 4, 6)) - Y.reshape(1, 1, 4, 5)) ** 2
        error.backward()
        layer.weight.data()[:] -= 3e-2 * layer.weight.grad()
    assert abs(d2l.reshape(layer.weight.data(), (1, 2)) - K).max() < 0.2


@chapter("channels", CLASSES)
def channels(d2l):
    def over_channels(X, K):
        return d2l.stack([sum(d2l.corr2d(x, k) for x, k in zip(X, channel)) for channel in K], 0)

    X, K = d2l.normal(0, 1, (3, 4, 4)), d2l.normal(0, 1, (2, 3, 1, 1))
    product = d2l.matmul(d2l.reshape(K, (2, 3)), d2l.reshape(X, (3, 16)))
    difference = d2l.reshape(product, (2, 4, 4)) - over_channels(X, K)
    assert float(d2l.reduce_sum(d2l.abs(difference))) < 1e-5


@chapter("pooling", CLASSES)
def pooling(d2l):
    X = d2l.reshape(d2l.arange(16, dtype=d2l.float32), (1, 1, 4, 4))
    assert nn.MaxPool2D(3)(X).tolist() == [[[[10]]]]
    assert nn.MaxPool2D(3, padding=1, strides=2)(d2l.concat((X, X + 1), 1)).tolist() == [
        [[[5, 7], [13, 15]], [[6, 8], [14, 16]]]
    ]


@chapter("lenet", CLASSES)
def lenet(d2l):
    @d2l.add_to_class(d2l.Classifier)
    def output_shapes(self, X_shape):
        X, found = d2l.randn(*X_shape), []
        for layer in self.net:
            X = layer(X)
            found.append(X.shape)
        return found

    assert d2l.LeNet().output_shapes((1, 1, 28, 28))[:2] == [(1, 6, 28, 28), (1, 6, 14, 14)]
    del d2l.Classifier.output_shapes
    d2l.LeNet().layer_summary((1, 1, 28, 28))
    assert fitted(d2l, d2l.LeNet(lr=0.1)).hparams == {"lr": 0.1, "num_classes": 10}


@chapter("alexnet", CLASSES)
@chapter("nin", CLASSES)
def large_windows(d2l):
    def layers(num_classes):
        yield nn.Conv2D(4, kernel_size=11, strides=4, activation="relu")
        yield nn.MaxPool2D(pool_size=3, strides=2)
        yield nn.Conv2D(8, kernel_size=1, activation="relu")
        yield nn.Dropout(0.5)
        yield nn.Conv2D(num_classes, kernel_size=3, padding=1, activation="relu")
        yield from (nn.GlobalAvgPool2D(), nn.Flatten())

    Model = built(d2l, layers)
    Model().layer_summary((1, 1, 224, 224))
    assert fitted(d2l, Model(lr=0.01), 224).lr == 0.01


@chapter("vgg", CLASSES)
def vgg(d2l):
    class VGG(d2l.Classifier):
        def __init__(self, arch, lr=0.1, num_classes=10):
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Sequential()
            for num_convs, num_channels in arch:
                block = nn.Sequential()
                block.add(*(nn.Conv2D(num_channels, 3, padding=1, activation="relu") for _ in range(num_convs)))
                block.add(nn.MaxPool2D(pool_size=2, strides=2))
                self.net.add(block)
            self.net.add(nn.GlobalAvgPool2D(), nn.Dense(num_classes))
            self.net.initialize(init.Xavier())

    arch = ((1, 2), (2, 4))
    VGG(arch=arch).layer_summary((1, 1, 224, 224))
    assert fitted(d2l, VGG(arch=arch, lr=0.01), 224).arch is arch


@chapter("googlenet", CLASSES)
def googlenet(d2l):
    class Branches(nn.Block):
        def __init__(self, c1, c2, **kwargs):
            super().__init__(**kwargs)
            self.left = nn.Conv2D(c1, kernel_size=1, activation="relu")
            self.right = nn.Conv2D(c2, kernel_size=3, padding=1, activation="relu")

        def forward(self, x):
            return np.concatenate((self.left(x), self.right(x)), axis=1)

    class GoogLeNet(d2l.Classifier):
        def b1(self):
            return nn.Conv2D(4, kernel_size=7, strides=4, padding=3, activation="relu")

    @d2l.add_to_class(GoogLeNet)
    def b2(self):
        net = nn.Sequential()
        net.add(Branches(2, 3), nn.GlobalAvgPool2D())
        return net

    @d2l.add_to_class(GoogLeNet)
    def __init__(self, lr=0.1, num_classes=10):
        super(GoogLeNet, self).__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential()
        self.net.add(self.b1(), self.b2(), nn.Dense(num_classes))
        self.net.initialize(init.Xavier())

    assert GoogLeNet().layer_summary((1, 1, 96, 96)) is None
    fitted(d2l, GoogLeNet(lr=0.01), 96)


@chapter("batch-norm", CLASSES)
def batch_norm(d2l):
    class BatchNorm(nn.Block):
        """With a running mean that is no parameter, as the chapter's has two."""

        def __init__(self, num_features, **kwargs):
            super().__init__(**kwargs)
            self.gamma = self.params.get("gamma", shape=(1, num_features, 1, 1), init=init.One())
            self.moving_mean = np.zeros((1, num_features, 1, 1))

        def forward(self, X):
            if self.moving_mean.ctx != X.ctx:
                self.moving_mean = self.moving_mean.copyto(X.ctx)
            mean = self.moving_mean
            if autograd.is_training():
                mean = X.mean(axis=(0, 2, 3), keepdims=True)
                self.moving_mean = 0.9 * self.moving_mean + 0.1 * mean
            return self.gamma.data() * (X - mean)

    class Scratch(d2l.Classifier):
        def __init__(self, norm, lr=0.1, num_classes=10):
            super().__init__()
            self.save_hyperparameters(ignore=["norm"])
            self.net = nn.Sequential()
            self.net.add(nn.Conv2D(3, kernel_size=5, strides=3), norm, nn.Activation("sigmoid"), nn.Dense(num_classes))
            self.initialize()

    model = fitted(d2l, Scratch(BatchNorm(3)))
    assert model.net[1].gamma.data().reshape(-1).shape == (3,)
    assert (model.net[1].moving_mean != 0).all()
    fitted(d2l, Scratch(nn.BatchNorm()))


@chapter("resnet", CLASSES)
def resnet(d2l):
    block = d2l.Residual(6, use_1x1conv=True, strides=2)
    block.initialize()
    assert block(d2l.randn(4, 3, 6, 6)).shape == (4, 6, 3, 3)

    def layers(num_classes):
        yield nn.Conv2D(4, kernel_size=7, strides=4, padding=3)
        yield from (nn.BatchNorm(), nn.Activation("relu"), d2l.Residual(4), nn.GlobalAvgPool2D(), nn.Dense(num_classes))

    class Smaller(built(d2l, layers)):
        def __init__(self, lr=0.1, num_classes=10):
            super().__init__(lr, num_classes)

    Smaller().layer_summary((1, 1, 96, 96))
    fitted(d2l, Smaller(lr=0.01), 96)
    block = d2l.ResNeXtBlock(32, 16, 1)
    block.initialize()
    assert block(d2l.randn(4, 32, 12, 12)).shape == (4, 32, 12, 12)


@chapter("densenet", CLASSES)
def densenet(d2l):
    class DenseBlock(nn.Block):
        def __init__(self, num_convs, num_channels):
            super().__init__()
            self.net = nn.Sequential()
            for _ in range(num_convs):
                block = nn.Sequential()
                block.add(nn.BatchNorm(), nn.Activation("relu"), nn.Conv2D(num_channels, kernel_size=3, padding=1))
                self.net.add(block)

        def forward(self, X):
            for block in self.net:
                X = np.concatenate((X, block(X)), axis=1)
            return npx.relu(X)

    def layers(num_classes):
        yield nn.Conv2D(4, kernel_size=7, strides=4, padding=3)
        yield from (DenseBlock(2, 3), nn.AvgPool2D(2), nn.BatchNorm(), nn.GlobalAvgPool2D(), nn.Dense(num_classes))

    assert fitted(d2l, built(d2l, layers)(lr=0.01), 96).lr == 0.01


@chapter("cnn-design", CLASSES)
def cnn_design(d2l):
    class AnyNet(d2l.Classifier):
        def stage(self, depth, num_channels, groups, bot_mul):
            net = nn.Sequential()
            net.add(d2l.ResNeXtBlock(num_channels, groups, bot_mul, use_1x1conv=True, strides=2))
            for _ in range(1, depth):  # the chapter gives the channels twice here
                net.add(d2l.ResNeXtBlock(num_channels, num_channels, groups, bot_mul))
            return net

    @d2l.add_to_class(AnyNet)
    def __init__(self, arch, stem_channels, lr=0.1, num_classes=10):
        super(AnyNet, self).__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential()
        self.net.add(nn.Conv2D(stem_channels, kernel_size=3, padding=1, strides=4))
        for stage in arch:
            self.net.add(self.stage(*stage))
        self.net.add(nn.GlobalAvgPool2D(), nn.Dense(num_classes))
        self.net.initialize(init.Xavier())

    class RegNet(AnyNet):
        def __init__(self, lr=0.1, num_classes=10):
            super().__init__(((2, 4, 2, 1), (1, 6, 3, 1)), 4, lr, num_classes)

    RegNet().layer_summary((1, 1, 96, 96))
    assert fitted(d2l, RegNet(lr=0.05), 96).stem_channels == 4
