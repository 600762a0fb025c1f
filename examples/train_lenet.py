"""Train LeNet on Fashion-MNIST by the book's recipe.

python examples/train_lenet.py --quick        # on a laptop
python examples/train_lenet.py --ctx gpu
"""

import sys

from gluon_cnn.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", "lenet", *sys.argv[1:]]))
