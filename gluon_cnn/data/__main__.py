"""``python -m gluon_cnn.data``: find or get Fashion-MNIST, verify it, say where it is."""

import sys

from gluon_cnn.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", *sys.argv[1:]]))
