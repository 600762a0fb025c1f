"""One epoch after another as the book's notebook trains it, from its weights, for comparison; prints JSON.

    python benchmarks/book_code.py lenet 60000 10000 5    # training and test images, epochs

Plain ``nn.Sequential``, a ``DataLoader`` with four workers, loss and accuracy fetched from the device
for every batch, and the number of threads that MXNet chooses by itself (zh-v1, section 5.5).
"""

import json
import os
import time

import arguments
import mxnet as mx
from mxnet import autograd, gluon
from mxnet.gluon.data.vision import transforms

# gluon_cnn leaves the number of threads alone where this is set; MXNet, imported above, no longer reads it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from gluon_cnn import get_recipe, initialize_as_published
from gluon_cnn.data import FASHION_MNIST, read_fashion_mnist
from gluon_cnn.models import list_models
from gluon_cnn.training.setup import build_network


def load_data(recipe, train_size, test_size):
    steps = [] if recipe.side == FASHION_MNIST.side else [transforms.Resize(recipe.side)]
    transform = transforms.Compose([*steps, transforms.ToTensor()])
    loaders = []
    for part, size, shuffle in zip(read_fashion_mnist()[1:], (train_size, test_size), (True, False)):
        images = mx.nd.array(part.images[:size, ..., None], dtype="uint8")
        dataset = gluon.data.ArrayDataset(images, part.labels[:size]).transform_first(transform)
        loaders.append(gluon.data.DataLoader(dataset, recipe.batch_size, shuffle=shuffle, num_workers=4))
    return loaders


def evaluate(net, test_iter):
    correct, images = mx.nd.array([0]), 0
    for X, y in test_iter:
        correct += (net(X).argmax(axis=1) == y.astype("float32")).sum()
        images += y.size
    return correct.asscalar() / images


def main(model, train_size, test_size, epochs):
    recipe = get_recipe(model)
    train_iter, test_iter = load_data(recipe, train_size, test_size)
    net = build_network(recipe, FASHION_MNIST)
    initialize_as_published(net, "zh-v1")
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": recipe.lr})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    for _ in range(epochs):
        start = time.time()
        loss_sum, correct, images = 0.0, 0.0, 0
        for X, y in train_iter:
            with autograd.record():
                y_hat = net(X)
                batch_loss = loss(y_hat, y).sum()
            batch_loss.backward()
            trainer.step(recipe.batch_size)
            loss_sum += batch_loss.asscalar()
            correct += (y_hat.argmax(axis=1) == y.astype("float32")).sum().asscalar()
            images += y.size
        trained = time.time() - start
        test_acc = evaluate(net, test_iter)
        result = {"seconds": time.time() - start, "images_per_sec": images / trained}
        result.update(train_loss=loss_sum / images, train_acc=correct / images, test_acc=float(test_acc))
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    parser = arguments.parser(__doc__)
    parser.add_argument("model", choices=list_models())
    for name in ("train_size", "test_size", "epochs"):
        parser.add_argument(name, type=arguments.count)
    main(**vars(parser.parse_args()))
