"""Train NiN (Network in Network) on Fashion-MNIST by the book's recipe.

python examples/train_nin.py --quick        # on a laptop
python examples/train_nin.py --ctx gpu
"""

import sys

from gluon_cnn.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", "nin", *sys.argv[1:]]))
