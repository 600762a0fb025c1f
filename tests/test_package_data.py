"""Whether an installed package has the files that are not Python."""

import runpy
from pathlib import Path

import setuptools

HERE = Path(__file__).parents[1]


def test_setup_names_all_files_but_code(monkeypatch):
    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    monkeypatch.chdir(HERE)
    runpy.run_path("setup.py")
    patterns = {package.replace(".", "/"): names for package, names in given["package_data"].items()}
    installed = {path for folder, names in patterns.items() for name in names for path in (HERE / folder).glob(name)}
    files = {path for path in (HERE / "gluon_cnn").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path for path in files if path.suffix != ".py"} <= installed
