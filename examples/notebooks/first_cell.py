# On Colab and Kaggle, whose Python MXNet does not work with, this makes an environment in which the cells below run. It
# takes a few minutes. Where gluon_cnn is installed it does nothing.
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ADDRESS = "https://github.com/OWNER/gluon-cnn"
if not all(map(find_spec, ("gluon_cnn", "mxnet"))):
    folder = Path() if Path("environment.py").is_file() else Path("gluon-cnn", "examples", "notebooks")
    if not (folder / "environment.py").is_file():
        if Path("gluon-cnn").exists():
            sys.exit("The folder gluon-cnn has no examples/notebooks: remove it, and run this cell again.")
        if "OWNER" in ADDRESS:
            sys.exit("Set ADDRESS to the address of your clone of gluon-cnn.")
        try:
            subprocess.run(["git", "clone", "--depth", "1", ADDRESS, "gluon-cnn"], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"{ADDRESS} cannot be cloned ({error}): check ADDRESS, git and the network.")
    sys.path.insert(0, str(folder))
    import environment

    environment.run_cells_there()
