"""Train ResNet-18 on Fashion-MNIST by the book's recipe.

    python examples/train_resnet.py --quick        # on a laptop
    python examples/train_resnet.py --ctx gpu

It prints a line after each epoch, with the loss, the accuracies and the seconds, and how the run compares with the
published ones. The run is written to a new directory in runs/.
"""

import sys

from gluon_cnn.cli import main

if __name__ == "__main__":
    sys.exit(main(model="resnet18"))
