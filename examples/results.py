"""Our runs beside the published ones: the table and figures of docs/results.md, and the README's table and picture.

    python examples/results.py docs/runs --figures docs/results
    python examples/results.py docs/runs --readme docs/results.png

The first prints a row for each network, edition, start and kind of device, or "not run" with the command, and draws a
figure for each row into a directory. The second prints one row a network and draws all of them into one picture. Runs
are looked for anywhere below the directory; what does not follow the book's recipe is left out.
"""

import argparse
import sys
from pathlib import Path
from statistics import median
from typing import NamedTuple, Optional, Tuple

from results_figures import draw_picture, draw_row

from gluon_cnn import GluonCNNError
from gluon_cnn.comparison.compare import compare_run, compare_runs
from gluon_cnn.comparison.published import comparable_runs
from gluon_cnn.comparison.results import read_runs
from gluon_cnn.comparison.verdict import end_in_words, inside_the_others, inside_throughout
from gluon_cnn.comparison.words import gap_in_words
from gluon_cnn.errors import RunError
from gluon_cnn.models import find_network
from gluon_cnn.published_weights import MODELS
from gluon_cnn.recipe import PUBLISHED_EDITIONS
from gluon_cnn.training.config import OWN_FRAMEWORK
from gluon_cnn.training.directory import RunDirectory


class Network(NamedTuple):
    """One of the book's networks: what documents call it, its name in the published runs, and in the commands."""

    title: str
    published_as: str
    model: str


def _network(model):
    record = find_network(model)
    title = "VGG-11/4" if model == "vgg11" else record.title  # with a quarter of the channels
    return Network(title, record.published_as, model)


#: In the order of the chapter.
NETWORKS = [_network(model) for model in MODELS]


class Row(NamedTuple):
    """Runs of one network and edition that are alike but for their seed, by seed; none if it was not run."""

    network: Network
    edition: str
    init: str = "published"
    release: Optional[str] = None
    gpu: bool = False
    runs: Tuple[RunDirectory, ...] = ()

    @property
    def published(self):
        """The published runs of exactly its network."""
        return comparable_runs(self.network.published_as, self.edition)

    @property
    def name(self):
        """The name of its figure."""
        words = [self.network.model, self.edition, *(["own"] if self.init == "own" else [])]
        words += ["gpu"] if self.gpu else []
        return "-".join([*words, f"{self.release}-release"] if self.release else words)

    @property
    def command(self):
        """What trains it."""
        words = ["gluon-cnn reproduce --models", self.network.model]
        words += ["--edition", self.edition] if self.edition != PUBLISHED_EDITIONS[0] else []
        words += ["--seeds", ranges(self.seeds, "-", ",")] if self.seeds not in ([], [0]) else []
        words += ["--init own"] if self.init == "own" else []
        words += ["--release", self.release] if self.release else []
        return " ".join([*words, "--ctx gpu"] if self.gpu else words)

    @property
    def seeds(self):
        """The seeds of its runs."""
        return [run.recipe.seed for run in self.runs]

    @property
    def finished(self):
        """Those of its runs that have all epochs."""
        return [run for run in self.runs if run.epochs_done == run.recipe.epochs]

    def ours(self, name):
        """The last value of one measure of each run that is finished, or of the longest if none is."""
        last = max((run.epochs_done for run in self.runs), default=0)
        return [getattr(run.history[-1], name) for run in self.runs if run.epochs_done == last]

    def theirs(self, name):
        """The published values that ours are beside."""
        last = max((run.epochs_done for run in self.runs), default=0) or len(self.published[0].history)
        values = [getattr(run.history[last - 1], name) for run in self.published]
        return [value for value in values if value is not None]


def find_rows(directory):
    """The rows of all networks and editions, for the runs by the book's recipes below a directory."""
    if not directory.is_dir():
        raise RunError(f"{directory} is not a directory: name one that holds runs.")
    paths = sorted(path.parent for path in directory.rglob("config.json"))
    compared, errors = read_runs(paths, skip_empty=True)
    if errors:
        raise errors[0]
    groups = {}
    for run in sorted((run for run, comparison in compared.items() if comparison), key=lambda run: run.recipe.seed):
        if run.framework == OWN_FRAMEWORK:  # docs/other-frameworks.md has the others
            recipe, gpu = run.recipe, run.settings.ctx.startswith("gpu")
            kind = run.book.published_as, recipe.edition, recipe.init, recipe.release, gpu
            groups.setdefault(kind, {}).setdefault(recipe.seed, run)
    rows = []
    for network in NETWORKS:
        for edition in PUBLISHED_EDITIONS:
            found = {kind[2:]: list(of.values()) for kind, of in groups.items() if kind[:2] == (network[1], edition)}
            if not any((init, gpu) == ("published", False) for init, _, gpu in found):
                rows.append(Row(network, edition))
            order = sorted(found, key=lambda kind: (kind[2], kind[0] != "published", kind[1] or ""))
            rows += [Row(network, edition, *kind, tuple(found[kind])) for kind in order]
    return rows


def ranges(numbers, dash="–", comma=", "):
    """Whole numbers in order as text, such as ``0–14`` or ``0, 2``."""
    parts = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = (parts[-1][0], number)
        else:
            parts.append((number, number))
    pairs = (map(str, dict.fromkeys(part)) for part in parts)
    return comma.join((comma if last - first == 1 else dash).join(pair) for pair, (first, last) in zip(pairs, parts))


def spread(values, decimals):
    """Up to two values as they are, more as their median and range."""
    shown = [f"{value:.{decimals}f}" for value in values]
    if len(values) < 3:
        return ", ".join(shown)
    return f"{median(values):.{decimals}f} ({min(values):.{decimals}f}–{max(values):.{decimals}f})"


def print_results(rows, figures):
    """Print the table of docs/results.md, whose figures lie in a directory beside it."""
    head = [
        "network, edition",
        "ours among the published",
        "verdict, and gap where not all are inside",
        "runs of ours",
    ]
    head += ["train loss: **ours**, published", "test accuracy: **ours**, published", "command", "hours"]
    # Unbroken, because neither figures nor sentences keep a column from becoming narrow.
    head[1:6] = [words.replace(" ", "&nbsp;") for words in head[1:6]]
    print_row(head)
    print_row(["---"] * len(head))
    for row in rows:
        title = f"{row.network.title} {row.edition}"
        start = ["own weights"] if row.init == "own" else []
        alt = f"{title}: last train loss and test accuracy of the published runs{', and of ours' if row.runs else ''}"
        print_row(
            [
                "<br>".join([f"**{title}**", *start, *(["on a GPU"] if row.gpu else [])]),
                f'<img src="{figures.name}/{row.name}.png" width="240" alt="{alt}">',
                _verdict(row),
                _runs_in_words(row),
                _both(row, "train_loss", 4),
                _both(row, "test_acc", 3),
                f"`{row.command}`",
                "" if not row.runs else "[gpu.md](gpu.md)" if row.gpu else f"{_hours(row):.2f}",
            ]
        )


def print_row(cells):
    """Print a row of a Markdown table."""
    print(f"| {' | '.join(cells)} |")


def _both(row, name, decimals):
    """The last values of one measure, ours above the published ones."""
    ours = [f"**{spread(row.ours(name), decimals)}**"] if row.runs else []
    return "<br>".join([*ours, spread(row.theirs(name), decimals)])


def _runs_in_words(row):
    """Seeds, release, and how far the runs are."""
    if not row.runs:
        return ""
    planned = row.runs[0].recipe.epochs
    begun = [run for run in row.runs if run not in row.finished]
    seeds = f"seed{'s' if len(row.seeds) > 1 else ''} {ranges(row.seeds)}"
    parts = [seeds, f"{row.release or 'unknown'} release", *([f"{planned} epochs"] if row.finished else [])]
    return "<br>".join(
        [", ".join(parts), *(f"seed {run.recipe.seed}: epoch {run.epochs_done} of {planned}" for run in begun)]
    )


def _verdict(row):
    """The verdict of a comparison, and whether a gap is of the size of the releases'."""
    if not row.runs:
        return "not run"
    comparison = compare_runs(row.runs)
    gap = gap_in_words(comparison)
    return comparison["verdict"] + (f". *Gap:* {gap}" if gap else "")


def _hours(row):
    return sum(result.seconds for run in row.runs for result in run.history) / 3600


def readme_rows(rows):
    """``{(network, edition): its rows from published weights}``: the first edition, and others as far as they were
    run."""
    kept = {}
    for row in rows:
        if row.init == "published":
            kept.setdefault((row.network, row.edition), []).append(row)
    return {kind: of for kind, of in kept.items() if kind[1] == PUBLISHED_EDITIONS[0] or any(row.runs for row in of)}


def print_readme(rows):
    """Print the README's table: one row a network, of our runs those on a CPU if there are any."""
    print_row(["network, edition", "published test accuracy", "ours", "verdict"])
    print_row(["---"] * 4)
    for (network, edition), of_kind in readme_rows(rows).items():
        row = next((row for row in of_kind if row.runs), of_kind[0])
        published = row.published
        finished = row if row.finished else Row(network, edition)  # of the published runs the last epoch
        cells = [f"{network.title}, {edition}", f"{spread(finished.theirs('test_acc'), 3)}, {len(published)} runs"]
        if not row.finished:
            ended = "; ".join(end_in_words(run.diverged) for run in row.runs if run.diverged)
            print_row([*cells, ended or ("not finished" if row.runs else "not run"), ""])
            continue
        where = " on a GPU" if row.gpu else ""
        number = f"{len(row.finished)} run{'s' if len(row.finished) > 1 else ''}"
        print_row([*cells, f"{spread(row.ours('test_acc'), 3)}, {number}{where}", _short_verdict(row, published)])


def _short_verdict(row, published):
    """How many of the runs are inside the published range throughout, or at how many epochs the only one is not."""
    places = [compare_run(run)["epochs"] for run in row.finished]
    if len(places) > 1:
        inside = sum(map(inside_throughout, places))
        others = f"{inside_the_others(published)} of {len(published)}"
        return f"{inside} of {len(places)} inside (published: {others})"
    (epochs,) = places
    out = sum(not inside_throughout([epoch]) for epoch in epochs)
    return f"outside at {out} of {len(epochs)} epochs" if out else "inside"


def main():
    """Print a table, and draw what belongs to it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="where the runs are")
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--figures", type=Path, metavar="DIR", help="draw a figure for each row into this directory")
    group.add_argument("--readme", type=Path, metavar="FILE", help="draw the README's picture to this PNG")
    args = parser.parse_args()
    try:
        rows = find_rows(args.directory)
        if args.readme:
            draw_picture([(Row(*kind), of_kind) for kind, of_kind in readme_rows(rows).items()], args.readme)
        else:
            args.figures.mkdir(parents=True, exist_ok=True)
            for row in rows:
                draw_row(row, args.figures / f"{row.name}.png")
    except GluonCNNError as error:
        sys.exit(f"{parser.prog}: {error}")
    except OSError as error:
        sys.exit(f"{parser.prog}: {error.filename} cannot be written ({error.strerror}): name another place.")
    if args.readme:
        print_readme(rows)
    else:
        print_results(rows, args.figures)


if __name__ == "__main__":
    main()
