"""Cells of the chapters before the convolutional networks as the English edition has them since 1.0."""

from chapters import CLASSES, chapter
from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import nn


@chapter("oo-design", CLASSES)
def classes_of_ones_own(d2l):
    class B(d2l.HyperParameters):
        def __init__(self, a, b, c):
            self.save_hyperparameters(ignore=["c"])

    assert B(a=1, b=2, c=3).hparams == {"a": 1, "b": 2}

    class Model(d2l.nn_Module, d2l.HyperParameters):
        def __init__(self, lr=0.1):
            super().__init__()
            self.save_hyperparameters()
            self.board = d2l.ProgressBoard()

    assert Model().lr == 0.1
    board = d2l.ProgressBoard("x")
    for x in range(10):
        board.draw(x / 10, x, "line", every_n=2)
        board.draw(x / 10, -x, "other", every_n=5)
    assert [len(curve) for curve in board.data.values()] == [5, 2]


@chapter("synthetic-regression-data", CLASSES)
def regression_data(d2l):
    class Data(d2l.DataModule):
        def __init__(self, w, b, num_train=20, num_val=12, batch_size=8):
            super().__init__()
            self.save_hyperparameters()
            self.X = d2l.randn(num_train + num_val, len(w))
            self.y = d2l.matmul(self.X, d2l.reshape(w, (-1, 1))) + b

    data = Data(w=d2l.tensor([2, -3.4]), b=4.2)

    @d2l.add_to_class(Data)
    def get_dataloader(self, train):
        i = slice(0, self.num_train) if train else slice(self.num_train, None)
        return self.get_tensorloader((self.X, self.y), train, i)

    assert len(data.train_dataloader()) == 3
    X, y = next(iter(data.val_dataloader()))
    assert (X.shape, y.shape) == ((8, 2), (8, 1))
    assert X[0].tolist() == data.X[20].tolist()


@chapter("linear-regression-scratch", CLASSES)
def linear_regression_from_scratch(d2l):
    class Regression(d2l.Module):
        def __init__(self, num_inputs, lr, sigma=0.01):
            super().__init__()
            self.save_hyperparameters()
            self.w, self.b = d2l.normal(0, sigma, (num_inputs, 1)), d2l.zeros(1)
            self.w.attach_grad()
            self.b.attach_grad()

        def forward(self, X):
            return d2l.matmul(X, self.w) + self.b

        def loss(self, y_hat, y):
            return d2l.reduce_mean((y_hat - y) ** 2 / 2)

        def configure_optimizers(self):
            return d2l.SGD([self.w, self.b], self.lr)

    class Trainer(d2l.Trainer):
        def fit_epoch(self):
            for batch in self.train_dataloader:
                with autograd.record():
                    loss = self.model.training_step(self.prepare_batch(batch))
                loss.backward()
                self.optim.step(1)
                self.train_batch_idx += 1
            for batch in self.val_dataloader:
                self.model.validation_step(self.prepare_batch(batch))
                self.val_batch_idx += 1

    data = d2l.SyntheticRegressionData(w=d2l.tensor([2, -3.4]), b=4.2, num_train=100, num_val=10, batch_size=10)
    for kind, Model in ((d2l.Trainer, d2l.LinearRegressionScratch), (Trainer, Regression)):
        model = Model(2, lr=0.3)
        kind(max_epochs=3).fit(model, data)
        assert abs(data.w - d2l.reshape(model.w, data.w.shape)).max() < 0.1
        assert abs(data.b - model.b) < 0.1


@chapter("linear-regression-concise", CLASSES)
def linear_regression_of_gluon(d2l):
    data = d2l.SyntheticRegressionData(w=d2l.tensor([2, -3.4]), b=4.2, num_train=100, num_val=10, batch_size=10)
    model = d2l.LinearRegression(lr=0.3)
    d2l.Trainer(max_epochs=3).fit(model, data)
    w, b = model.get_w_b()
    assert abs(data.w - d2l.reshape(w, data.w.shape)).max() < 0.1
    assert abs(data.b - b) < 0.1


@chapter("weight-decay", CLASSES)
def weight_decay(d2l):
    class Decay(d2l.LinearRegressionScratch):
        def __init__(self, num_inputs, lambd, lr, sigma=0.01):
            super().__init__(num_inputs, lr, sigma)
            self.save_hyperparameters()

        def loss(self, y_hat, y):
            return super().loss(y_hat, y) + self.lambd * d2l.reduce_sum(self.w**2) / 2

    class Concise(d2l.LinearRegression):
        def __init__(self, wd, lr):
            super().__init__(lr)
            self.save_hyperparameters()

        def configure_optimizers(self):
            self.collect_params(".*bias").setattr("wd_mult", 0)
            return gluon.Trainer(self.collect_params(), "sgd", {"learning_rate": self.lr, "wd": self.wd})

    data = d2l.SyntheticRegressionData(d2l.ones((20, 1)) * 0.01, 0.05, num_train=20, num_val=5, batch_size=5)
    models = [Decay(20, 0, 0.03, sigma=1), Decay(20, 3, 0.03, sigma=1), Concise(wd=3, lr=0.03)]
    trainer = d2l.Trainer(max_epochs=3)
    for model in models:
        model.board.yscale = "log"
        trainer.fit(model, data)
    free, decayed = (float((model.w**2).sum()) for model in models[:2])
    assert decayed < 0.5 * free
    assert (models[2].get_w_b()[0] ** 2).sum() < 0.2


@chapter("fashion-mnist", CLASSES)
def fashion_mnist(d2l):
    d2l.use_svg_display()
    data = d2l.FashionMNIST(resize=(32, 32))
    assert data.train[0][0].shape == (1, 32, 32)
    X, y = next(iter(data.train_dataloader()))
    assert (X.shape, str(X.dtype), y.shape, str(y.dtype)) == ((8, 1, 32, 32), "float32", (8,), "int32")
    shown = data.visualize(next(iter(data.val_dataloader())))
    assert [axes.get_title() for axes in shown] == data.text_labels(data.val.labels[:8])
    loader = gluon.data.DataLoader(data.val, 5, num_workers=0)
    assert [len(labels) for _, labels in loader] == [5, 5, 5, 1]


@chapter("classification", CLASSES)
def accuracy(d2l):
    scores, labels = d2l.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]), np.array([1, 1, 1])
    model = d2l.Classifier()
    assert abs(model.accuracy(scores, labels) - 2 / 3) < 1e-6
    assert model.accuracy(scores, labels, averaged=False).tolist() == [1, 0, 1]
    assert model.parameters() == model.get_scratch_params() == []


@chapter("softmax-regression-scratch", CLASSES)
def softmax_from_scratch(d2l):
    class Regression(d2l.Classifier):
        def __init__(self, num_inputs, num_outputs, lr, sigma=0.01):
            super().__init__()
            self.save_hyperparameters()
            self.W, self.b = np.random.normal(0, sigma, (num_inputs, num_outputs)), np.zeros(num_outputs)
            self.W.attach_grad()
            self.b.attach_grad()

        def collect_params(self):
            return [self.W, self.b]

        def forward(self, X):
            exponents = d2l.exp(d2l.matmul(d2l.reshape(X, (-1, self.W.shape[0])), self.W) + self.b)
            return exponents / d2l.reduce_sum(exponents, 1, keepdims=True)

        def loss(self, y_hat, y):
            return -d2l.reduce_mean(d2l.log(y_hat[list(range(len(y_hat))), y]))

    data, model = d2l.FashionMNIST(batch_size=256), Regression(784, 10, lr=0.1)
    d2l.Trainer(max_epochs=2).fit(model, data)
    first, *_, last = model.board.data["train_loss"]
    assert last.y < first.y
    X, y = next(iter(data.val_dataloader()))
    preds = d2l.argmax(model(X), axis=1)
    wrong = d2l.astype(preds, y.dtype) != y
    X, y, preds = X[wrong], y[wrong], preds[wrong]
    labels = [a + "\n" + b for a, b in zip(data.text_labels(y), data.text_labels(preds))]
    assert [axes.get_title() for axes in data.visualize([X, y], labels=labels)] == labels[:8]


@chapter("softmax-regression-concise", CLASSES)
@chapter("mlp-implementation", CLASSES)
@chapter("dropout", CLASSES)
def layers(d2l):
    class MLP(d2l.Classifier):
        def __init__(self, num_outputs, num_hiddens, lr):
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Sequential()
            self.net.add(nn.Dense(num_hiddens, activation="relu"), nn.Dropout(0.2), nn.Dense(num_outputs))
            self.net.initialize(init.Xavier())

    class Scratch(d2l.Classifier):
        def __init__(self, num_outputs, num_hiddens, lr, sigma=0.01):
            super().__init__()
            self.save_hyperparameters()
            self.W1, self.W2 = d2l.randn(784, num_hiddens) * sigma, d2l.randn(num_hiddens, num_outputs) * sigma
            for param in self.get_scratch_params():
                param.attach_grad()

        def forward(self, X):
            return d2l.matmul(npx.relu(d2l.matmul(d2l.reshape(X, (-1, 784)), self.W1)), self.W2)

    data, trainer = d2l.FashionMNIST(batch_size=256), d2l.Trainer(max_epochs=2)
    for model in (d2l.SoftmaxRegression(10, lr=0.1), MLP(10, 32, lr=0.1), Scratch(10, 32, lr=0.1)):
        trainer.fit(model, data)
        first, *_, last = model.board.data["train_loss"]
        assert last.y < first.y


@chapter("use-gpu", CLASSES)
def devices(d2l):
    assert d2l.try_gpu(d2l.num_gpus()) == d2l.cpu() != d2l.gpu(0)

    class Trainer(d2l.Trainer):
        pass

    @d2l.add_to_class(Trainer)
    def __init__(self, max_epochs, num_gpus=0, gradient_clip_val=0):
        self.save_hyperparameters()
        self.gpus = [d2l.gpu(i) for i in range(min(num_gpus, d2l.num_gpus()))]

    model = d2l.SoftmaxRegression(10, lr=0.1)
    Trainer(max_epochs=1, num_gpus=1).fit(model, d2l.FashionMNIST(batch_size=256))
    assert model.net.weight.data().ctx == d2l.try_gpu()
