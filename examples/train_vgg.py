"""Train VGG-11 with a quarter of the channels on Fashion-MNIST by the book's recipe.

python examples/train_vgg.py --quick        # on a laptop
python examples/train_vgg.py --ctx gpu
"""

import sys

from gluon_cnn.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", "vgg11", *sys.argv[1:]]))
