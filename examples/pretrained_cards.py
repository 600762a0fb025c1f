"""Write the cards of the trained networks in the package, and docs/pretrained.md, from their runs.

    python examples/pretrained_cards.py docs/runs/gpu/lenet-en-seed3 docs/runs/gpu/nin-zh-v1-seed0

The recipe, the history and the comparison are those of the runs. The accuracy by class is measured here, on all test
images of the release that the run was trained on; with NiN that takes some minutes on two cores. Without a run it only
writes docs/pretrained.md, from the cards.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import gluon_cnn
from gluon_cnn.files import sha256_of
from gluon_cnn.models.pretrained import HERE, PRETRAINED, Card, pretrained_card

DOCS = Path(__file__).parents[1] / "docs"
DEVICE = "one NVIDIA H200, float32, MXNet 1.9.1 with cuDNN 8.9.6 (docs/runs/gpu)"
COLUMNS = ("train_loss", "train_acc", "test_acc")


def make_card(directory):
    """The Card of the network that a run trained; its parameters are in the package already."""
    import mxnet as mx
    import numpy as np

    from gluon_cnn.inspection.answers import answers
    from gluon_cnn.inspection.confusion import confusion
    from gluon_cnn.models.parameter_file import read_parameters
    from gluon_cnn.models.parameters import load_parameters
    from gluon_cnn.training.setup import build_network, load_data

    run = gluon_cnn.load_run(directory)
    name = run.recipe.model
    path = HERE / f"{name}.params"
    net = build_network(run.recipe, run.dataset, hybrid=True)
    load_parameters(net, path, ctx=mx.cpu())
    net.hybridize(static_alloc=True)
    found = answers(net, load_data(run.recipe, run.settings.data_dir, mx.cpu()).test)
    matrix = confusion(found, run.dataset.classes)
    comparison = json.loads((Path(directory) / "comparison.json").read_text(encoding="utf-8"))
    last = comparison["epochs"][-1]
    print(f"{name}: {found.right.mean():.4f} measured here, {run.history[-1].test_acc:.4f} by its run")
    return Card(
        network=name,
        recipe=run.recipe.values(),
        dataset=dataclasses.asdict(run.dataset),
        device=DEVICE,
        history=[dataclasses.asdict(result) for result in run.history],
        published_runs=comparison["published_runs"],
        percentiles={column: round(last[column]["percentile"], 2) for column in COLUMNS},
        verdict=comparison["verdict"],
        test_accuracy=run.history[-1].test_acc,
        accuracy_by_class=dict(zip(run.dataset.classes, np.round(matrix.recall.value, 4).tolist())),
        dead_classes=run.dataset.names_of(np.flatnonzero((found.logits == 0).all(axis=0))),
        parameters=sum(int(np.prod(array.shape)) for array in read_parameters(path).values()),
        sha256=sha256_of(path),
        license="Apache-2.0",
    )


def page():
    """The text of docs/pretrained.md."""
    cards = [pretrained_card(name) for name in PRETRAINED]
    return "\n".join([_BEGINNING, *(line for card in cards for line in _section(card)), _END])


_BEGINNING = """\
# Trained networks in the package

Two of the book's networks come with the package, trained by the book's recipe. The LeNet is the most accurate of five
seeds, from 0.7978 to 0.8214 on the test images, so another seed's would be a little worse; of NiN there was one run.
`python examples/pretrained_cards.py` writes this page from their cards, which `gluon_cnn.models.pretrained_card("nin")`
gives too.

    net = gluon_cnn.get_model("nin", pretrained=True)   # hybrid=True, and ctx="gpu", if you like
    run = gluon_cnn.load_run("pretrained:nin")          # as a run: its recipe, its classes, run.evaluate()

    gluon-cnn evaluate pretrained:nin
    gluon-cnn predict pretrained:lenet shoe.png
    gluon-cnn export pretrained:nin --format safetensors
    gluon-cnn train nin --from pretrained --freeze 0,2 --set taken_lr=0.1 --epochs 2

The LeNet is that of the English edition, which pads its first convolution by 2, pools by average and trains for ten
epochs instead of five. It takes images of 28×28 pixels with values from 0 to 1, and NiN images of 224×224. AlexNet's
187 MB stay outside: `gluon-cnn train alexnet` makes it, and every command takes its run.
"""

_END = """\
A trained network of this package is under its licence, Apache-2.0; Fashion-MNIST is under the MIT licence."""


def _section(card):
    recipe, last = card.recipe, card.history[-1]
    title = f"{gluon_cnn.models.find_network(card.network).title}, `pretrained:{card.network}`"
    command = f"gluon-cnn train {card.network} --edition {recipe['edition']} --seed {recipe['seed']}"
    among = ", ".join(f"{words} {card.percentiles[name]:g}" for name, words in zip(COLUMNS, _WORDS))
    rows = {
        "recipe": f"`{command}`: {recipe['epochs']} epochs, batch {recipe['batch_size']}, {recipe['optimizer']} at "
        f"{recipe['lr']:g}, {recipe['side']}×{recipe['side']} pixels, the published initial weights",
        "data": f"{card.dataset['name']}, {recipe['release']} release, SHA-256 `{card.dataset['sha256']}`",
        "trained on": card.device,
        "last epoch": f"train loss {last['train_loss']:.4f}, train accuracy {last['train_acc']:.4f}, test accuracy "
        f"{card.test_accuracy:.4f}",
        f"percentile among {card.published_runs} published runs": f"{among}: {card.verdict}",
        "dead classes": ", ".join(card.dead_classes) or "none",
        "parameters": f"{card.parameters:,}",
        "SHA-256": f"`{card.sha256}`",
        "licence": card.license,
    }
    classes = card.accuracy_by_class.items()
    return [
        f"## {title}\n",
        "| | |\n| --- | --- |",
        *(f"| {name} | {value} |" for name, value in rows.items()),
        "\nThe share of each class's test images that it recognises:\n",
        "| class | " + " | ".join(name for name, _ in classes) + " |",
        "| --- |" + " --- |" * len(classes),
        "| accuracy | " + " | ".join(f"{share:.3f}" for _, share in classes) + " |\n",
    ]


_WORDS = ("train loss", "train accuracy", "test accuracy")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="directories of the runs that trained them")
    for directory in parser.parse_args().runs:
        card = make_card(directory)
        text = json.dumps(dataclasses.asdict(card), indent=1, ensure_ascii=False)
        (HERE / f"{card.network}.json").write_text(text + "\n", encoding="utf-8")
    (DOCS / "pretrained.md").write_text(page() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
