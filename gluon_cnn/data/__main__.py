"""``python -m gluon_cnn.data``: the same as ``gluon-cnn data``."""

import sys

from gluon_cnn.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", *sys.argv[1:]]))
