"""The layers hold: what each module imports, that the command line alone speaks of flags, and how long all is."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "gluon_cnn"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

GROUND = {
    "checks",
    "decoding",
    "errors",
    "files",
    "image_settings",
    "published_weights",
    "runtime",
    "seeding",
}
#: The way of the data, from left to right.
WAY = ("recipe", "data", "models", "training", "comparison")
#: What each part of the package may import besides itself.
MAY_IMPORT = {
    **dict.fromkeys(GROUND, GROUND),
    "published_weights": set(),  # may be copied alone
    **{name: GROUND | set(WAY[:place]) for place, name in enumerate(WAY)},
    "inspection": GROUND | set(WAY),
    "interop": GROUND | {"recipe", "data", "models", "training"},
    "selftest": GROUND | set(WAY),
    "d2l": GROUND | {"data", "models", "training"},
    "cli": GROUND | {*WAY, "inspection", "interop", "d2l", "selftest"},
    "__init__": GROUND | {*WAY, "inspection", "interop", "d2l"},
}

#: And some modules: this one gives all public names of the package by the book's name for it.
MODULE_MAY_IMPORT = {
    "d2l/__init__.py": {"__init__"},
    "data/__main__.py": {"cli"},  # a command by another name, which nothing imports
}

LONGEST_FILE, LONGEST_FUNCTION = 300, 60  # lines that are too many

FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")
#: Arguments of other programs, by the module that runs or mentions them.
OTHERS_FLAGS = {
    "runtime/build.py": {"--list-elf", "--list-ptx"},
    "runtime/nvidia.py": {"--query-gpu", "--format", "--gpus", "--device", "--nv", "--update"},
    "training/launch.py": {"--cluster", "--num-workers", "--num-servers", "--host-file"},
}


def part_of(module):
    """The part of the package that a module, as a path in it or by its dotted name, belongs to."""
    return re.split(r"[/.]", module.replace(".py", ""))[0]


def imported_parts(tree):
    """The parts of the package that a module imports anywhere, each with the number of its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not looked at"
            names = [node.module] if node.module != "gluon_cnn" else [f"gluon_cnn.{a.name}" for a in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            names = [text.value for text in ast.walk(node) if isinstance(text, ast.Constant)][:1]
        else:
            continue
        for name in names:
            package, _, module = str(name).partition(".")
            if package == "gluon_cnn":
                yield part_of(module or "__init__"), node.lineno


def arrows_against_the_way(module, tree):
    """The imports of a module that it may not have, as text."""
    part = part_of(module)
    allowed = MAY_IMPORT[part] | {part} | MODULE_MAY_IMPORT.get(module, set())
    return [f"{module}:{line} imports {other}" for other, line in imported_parts(tree) if other not in allowed]


def flags_in_strings(tree):
    """The flags in a module's strings, docstrings included, each with the number of its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((flag, node.lineno) for flag in FLAG.findall(node.value))


def parse(module):
    return ast.parse((PACKAGE / module).read_text(encoding="utf-8"))


def test_every_module_belongs_to_a_part():
    assert {part_of(module) for module in MODULES} <= set(MAY_IMPORT)


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_go_with_the_way_of_data(part):
    modules = [module for module in MODULES if part_of(module) == part]
    assert [arrow for module in modules for arrow in arrows_against_the_way(module, parse(module))] == []


def test_files_and_functions_are_short():
    found = []
    for path in (*PACKAGE.rglob("*.py"), *Path(__file__).parent.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
        found += [f"{path}: {f.name}" for f in functions if f.end_lineno - f.lineno + 1 >= LONGEST_FUNCTION]
        found += [str(path)] if text.count("\n") >= LONGEST_FILE else []
    assert found == []


def test_only_the_command_line_speaks_of_flags():
    found = []
    for module in MODULES:
        if part_of(module) != "cli":
            others = OTHERS_FLAGS.get(module, set())
            found += [f"{module}:{line} {flag}" for flag, line in flags_in_strings(parse(module)) if flag not in others]
    assert found == []


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("recipe.py", "import gluon_cnn.data"),
        ("models/nin.py", "from gluon_cnn.training.setup import set_up"),
        ("training/run.py", "def f():\n    from gluon_cnn import comparison"),
        ("training/run.py", "import gluon_cnn"),
        ("runtime/cores.py", "from gluon_cnn.recipe import Recipe"),
        ("interop/onnx.py", "from gluon_cnn.cli import main"),
        ("models/__init__.py", "importlib.import_module(f'gluon_cnn.training.{name}')"),
        ("__init__.py", "from gluon_cnn.cli import main"),
    ],
)
def test_arrow_against_the_way_is_seen(module, code):
    assert len(arrows_against_the_way(module, ast.parse(code))) == 1


def test_arrow_along_the_way_is_allowed():
    code = "import mxnet\nfrom gluon_cnn.data import SAMPLE\nfrom gluon_cnn import errors, models"
    assert arrows_against_the_way("models/zoo.py", ast.parse(code)) == []


def test_flag_in_a_string_is_seen():
    code = 'def f():\n    """Use --resume."""\n    raise ValueError(f"try {x} or --set a=1, not a -- b")  # --quiet'
    assert list(flags_in_strings(ast.parse(code))) == [("--resume", 2), ("--set", 3)]
