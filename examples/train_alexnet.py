"""Train AlexNet on Fashion-MNIST by the book's recipe.

python examples/train_alexnet.py --quick        # on a laptop
python examples/train_alexnet.py --ctx gpu
"""

import sys

from gluon_cnn.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", "alexnet", *sys.argv[1:]]))
