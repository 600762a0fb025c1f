"""``python -m gluon_cnn.cli`` is ``gluon-cnn``."""

import sys

from gluon_cnn.cli import main

sys.exit(main())
