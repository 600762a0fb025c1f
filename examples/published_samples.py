"""What the published runs of each network and edition look like: the tables and the figure of docs/published.md.

python examples/published_samples.py --figure published.png
"""

import argparse
import itertools
import math
import sys
from pathlib import Path
from statistics import median
from typing import NamedTuple

from matplotlib.figure import Figure
from results import NETWORKS, Network, print_row
from results_figures import PUBLISHED

from gluon_cnn import GluonCNNError
from gluon_cnn.comparison.published import published_runs
from gluon_cnn.comparison.statistics import five_numbers
from gluon_cnn.data import FASHION_MNIST
from gluon_cnn.files import write_atomically
from gluon_cnn.training.history import is_a_guess

EDITIONS = ["zh-v1", "en", "zh-v2"]
#: Sorted test accuracies that are further apart than this belong to two groups.
GROUPS_APART = 0.05


class Sample(NamedTuple):
    """The published runs of a network in an edition."""

    network: Network
    edition: str
    runs: list

    def last(self, name):
        """The last values of one measure, without those that are not finite."""
        values = [getattr(run.history[-1], name) for run in self.runs]
        return [value for value in values if value is not None]


def all_samples():
    """Every sample, network by network; the runs of a revised network are one of their own."""
    samples = []
    for network in NETWORKS:
        for edition in EDITIONS:
            runs = published_runs(network.published_as, edition)
            revised = [run for run in runs if run.revised]
            samples.append(Sample(network, edition, [run for run in runs if not run.revised]))
            samples += [Sample(network, f"{edition}, revised", revised)] if revised else []
    return samples


def has_collapsed(run):
    """Whether a run ends with a loss that is not finite, or with that of a guess."""
    loss = run.history[-1].train_loss
    return loss is None or is_a_guess(loss, len(FASHION_MNIST.classes))


def had_learnt(run):
    """Whether a run's loss was below that of a guess at an earlier epoch; None if no earlier loss is known."""
    losses = [result.train_loss for result in run.history[:-1] if result.train_loss is not None]
    guess = math.log(len(FASHION_MNIST.classes))
    return any(loss < guess and not is_a_guess(loss, len(FASHION_MNIST.classes)) for loss in losses) if losses else None


def groups(values):
    """``[(smallest, largest, how many)]`` of the groups into which values fall."""
    found = []
    for value in sorted(values):
        if found and value - found[-1][-1] <= GROUPS_APART:
            found[-1].append(value)
        else:
            found.append([value])
    return [(group[0], group[-1], len(group)) for group in found]


def print_ends(samples):
    """Print how the runs of each sample end."""
    measures = ["train loss: median (range)", "middle half", "test accuracy: median (range)", "middle half"]
    print_row(["network", "edition", "runs", *measures])
    print_row(["---"] * 7)
    for sample in samples:
        cells = []
        for name, decimals in (("train_loss", 4 if sample.edition.startswith("zh-v1") else 3), ("test_acc", 3)):
            n = {key: f"{value:.{decimals}f}" for key, value in five_numbers(sample.last(name)).items()}
            cells += [f"{n['median']} ({n['minimum']}–{n['maximum']})", f"{n['lower_quartile']}–{n['upper_quartile']}"]
        print_row([sample.network.title, sample.edition, str(len(sample.runs)), *cells])


def print_collapse(samples):
    """Print how many runs of each sample collapsed, and into which groups their test accuracies fall."""
    counted = ["at 0.10 after epoch 1", "later at 0.10, and came back", "collapsed", "loss not finite"]
    counted += ["loss of a guess", "had learnt before", "not collapsed, but 0.1 or more below its best"]
    print_row(["network", "edition", *counted, "test accuracies at the end, in groups (runs)"])
    print_row(["---"] * 10)
    for sample in samples:
        collapsed = [run for run in sample.runs if has_collapsed(run)]
        others = [run for run in sample.runs if not has_collapsed(run)]
        back = [run for run in others if any(map(_is_at_a_tenth, run.history[1:-1]))]
        fell = [run for run in others if _best(run) - run.history[-1].test_acc >= 0.1]
        learnt = [had_learnt(run) for run in collapsed]
        unknown = f" ({learnt.count(None)} not known)" if None in learnt else ""
        infinite = sum(run.history[-1].train_loss is None for run in collapsed)
        cells = [
            str(sum(_is_at_a_tenth(run.history[0]) for run in sample.runs) or ""),
            str(len(back) or ""),
            f"{len(collapsed)} of {len(sample.runs)}",
            *(str(count or "") for count in (infinite, len(collapsed) - infinite)),
            f"{learnt.count(True)}{unknown}" if collapsed else "",
            str(len(fell) or ""),
            ", ".join(map(_group_in_words, groups(sample.last("test_acc")))),
        ]
        print_row([sample.network.title, sample.edition, *cells])


def _best(run):
    return max(result.test_acc for result in run.history if result.test_acc is not None)


def _is_at_a_tenth(result):
    return result.test_acc is not None and round(result.test_acc, 2) == 0.1


def _group_in_words(group):
    smallest, largest, number = group
    ends = f"{smallest:.3f}" if smallest == largest else f"{smallest:.3f}–{largest:.3f}"
    return f"{ends} ({number})"


def print_speeds(samples):
    """Print on which GPUs the runs of each sample were trained, and how fast."""
    print_row(["network", "edition", "GPU", "runs", "seconds an epoch, with its test pass", "images a second"])
    print_row(["---"] * 6)
    for sample in samples:
        for gpu in sorted({run.gpu for run in sample.runs}):
            runs = [run for run in sample.runs if run.gpu == gpu]
            cells = []
            for name, decimals in (("seconds", 1), ("examples_per_sec", 0)):
                known = [getattr(r, name) for run in runs for r in run.history if getattr(r, name) is not None]
                cells.append(f"{median(known):,.{decimals}f}" if known else "")
            print_row([sample.network.title, sample.edition, gpu, str(len(runs)), *cells])


def draw(samples, path):
    """Draw every run's test accuracy by epoch to a PNG, a row for each network and a column for each edition."""
    figure = Figure(figsize=(6, 10.5), layout="constrained")
    panels = figure.subplots(len(NETWORKS), len(EDITIONS), sharey=True)
    runs = [run for sample in samples for run in sample.runs]
    collapsed = [run for run in runs if has_collapsed(run)]
    whose = [network.title for network in NETWORKS if network.published_as in {run.model for run in collapsed}]
    for axes, (network, edition) in zip(panels.flat, itertools.product(NETWORKS, EDITIONS)):
        of_panel = [run for run in runs if (run.model, run.edition) == (network.published_as, edition)]
        for run in of_panel:
            points = [(r.epoch, r.test_acc) for r in run.history if r.test_acc is not None]
            dies = has_collapsed(run)
            style = (
                {"color": "#c0392b", "lw": 1.2, "zorder": 3} if dies else {"color": PUBLISHED, "lw": 0.7, "alpha": 0.5}
            )
            # A run of which only the end is known is a point.
            axes.plot(*zip(*points), marker="o" if len(points) == 1 else "", ms=3.5, **style)
        axes.set_ylim(0, 1)
        axes.set_xticks([1, 3, 5] if edition == "zh-v1" else [1, 4, 7, 10])
        axes.grid(alpha=0.25)
        axes.set_title(f"{network.title}, {edition}: {len(of_panel)} runs", fontsize=9.5)
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
    figure.supylabel("test accuracy (fraction right)")
    figure.suptitle(
        f"{len(collapsed)} of the {len(runs)} published runs collapse (red),\neach of them {' or '.join(whose)}"
    )
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png", facecolor="white")


def main():
    """Print the tables, and draw the figure if it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", type=Path, metavar="FILE", help="also draw every run to this PNG")
    args = parser.parse_args()
    samples = all_samples()
    try:
        if args.figure:
            draw(samples, args.figure)
    except GluonCNNError as error:
        sys.exit(f"{parser.prog}: {error}")
    except OSError as error:
        sys.exit(f"{parser.prog}: {error.filename} cannot be written ({error.strerror}): name another place.")
    for number, print_table in enumerate((print_ends, print_collapse, print_speeds)):
        if number:
            print()
        print_table(samples)


if __name__ == "__main__":
    main()
