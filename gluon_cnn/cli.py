"""The command line: arguments to calls, errors to one line and exit code 1."""

import dataclasses
import logging
import os
import shlex
import sys
from pathlib import Path

import mxnet as mx
from scipy.special import softmax
from tqdm import tqdm

from gluon_cnn._runtime import set_threads
from gluon_cnn.arguments import RECIPE_FLAGS, make_parser
from gluon_cnn.book import published_runs
from gluon_cnn.book.compare import differences
from gluon_cnn.book.describe import describe_run, describe_runs
from gluon_cnn.checks import whole_number
from gluon_cnn.data import CLASSES, SAMPLE, find_fashion_mnist, read_fashion_mnist, to_batch
from gluon_cnn.data.picture import read_picture
from gluon_cnn.device import parse_context
from gluon_cnn.doctor import as_json, describe, examine, healthy
from gluon_cnn.errors import DeviceError, GluonCNNError, RunError, RunStopped, SettingError, TrainingDiverged
from gluon_cnn.interop.check import CHECKED
from gluon_cnn.interop.export import export_run
from gluon_cnn.interop.onnx_network import OnnxNetwork, is_onnx
from gluon_cnn.models import canonical_name, summary
from gluon_cnn.report import write_report
from gluon_cnn.reproduce import reproduce
from gluon_cnn.results import compare_each, compare_together, kinds, write_curves, write_results
from gluon_cnn.training import Recipe, Run, evaluate_accuracy, get_recipe, train
from gluon_cnn.training.inference import for_inference
from gluon_cnn.training.job import Job
from gluon_cnn.training.rearranged import for_training
from gluon_cnn.training.recipe import quick_changes
from gluon_cnn.training.run import SETTINGS, default_name
from gluon_cnn.training.threads import AUTO, check_threads
from gluon_cnn.training.train import load_data

__all__ = ["main"]

log = logging.getLogger("gluon_cnn.cli")  # also where this file is the main module


def main(argv=None):
    """Run the command in ``argv`` (the process's own by default); returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # × and … where the terminal has no sign for them
    try:
        args = make_parser().parse_args(argv)
        _log_to_terminal(getattr(args, "quiet", False))
        return _COMMANDS[args.command](args) or 0
    except RunStopped as stopped:
        return _fail(stopped, 128 + stopped.signal)
    except GluonCNNError as error:
        return _fail(error)
    except mx.MXNetError as error:  # what MXNet alone can know, such as a GPU's memory that is too small
        return _fail(f"MXNet failed: {str(error).strip().splitlines()[-1].strip()}")
    except BrokenPipeError:
        _print_no_more()
        return 0
    except OSError as error:  # a disk that fills up, a directory that goes away
        return _fail(f"{error.filename or 'a file'}: {error.strerror or error}.")
    except KeyboardInterrupt:
        return _fail("interrupted.", 130)


def _print_no_more():
    """Whoever read standard output has gone; what else is printed goes nowhere, and Python does not mind at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _fail(reason, code=1):
    line = str(reason).replace("\n", " ")  # a file's name may have more
    print(f"gluon-cnn: {line}", file=sys.stderr)
    return code


def _train(args):
    job = Job(args.kvstore or SETTINGS["kvstore"], args.dist_timeout)
    if not job.first:  # which says it all
        _log_to_terminal(quiet=True)
        logging.getLogger("gluon_cnn").addHandler(logging.NullHandler())
    with job:
        run = _run_of(job.from_first(lambda: _plan(args, job.workers)))
        if args.quick:
            log.info("--quick: smaller images or fewer epochs than the book's, so its numbers are not the book's.")
        try:
            train(run, command=_command_line(), resume=args.resume, quiet=args.quiet or not job.first, job=job)
        except (RunStopped, TrainingDiverged) as ended:
            if job.first:
                write_curves(run)
            if isinstance(ended, TrainingDiverged):
                raise
            if not job.first:
                raise RunStopped(f"worker {job.rank} stopped with the others", ended.signal) from None
            raise RunStopped(f"{ended}; go on with: {_again(args, run)}", ended.signal) from None
    if job.first:
        _finish(run)


def _plan(args, workers):
    """What is to be trained, for :func:`_run_of`, once it has been looked at."""
    if args.resume:
        run = _resumed_run(args, workers)
    else:
        recipe = dataclasses.replace(_recipe(args), workers=workers)
        run = Run(args.out or _new_directory(recipe, args.quick), recipe, _settings(args))
    _check_settings(run.settings)
    if run.recipe.data == "full" and run.settings["data_dir"] == str(SAMPLE):
        raise SettingError(f"--data-dir is the sample in this package, {SAMPLE}: use --data sample.")
    return {"directory": str(run.directory), "recipe": dataclasses.asdict(run.recipe), "settings": run.settings}


def _run_of(plan):
    return Run(plan["directory"], Recipe(**plan["recipe"]), plan["settings"])


def _again(args, run):
    """The command that goes on with a run."""
    launch, kvstore = [], []
    if run.settings["kvstore"] != SETTINGS["kvstore"]:
        kvstore = ["--kvstore", run.settings["kvstore"]]
    if run.settings["kvstore"].startswith("dist"):
        number = ["-n", os.environ["DMLC_NUM_WORKER"], "-s", os.environ["DMLC_NUM_SERVER"]]
        launch = ["python", "-m", "gluon_cnn.launch", *number, "--"]
    return shlex.join([*launch, *_program(args.model), *kvstore, "--out", str(run.directory), "--resume"])


def _finish(run):
    comparison = write_results(run)
    if comparison is None:
        log.info(f"compared with nothing, for it is not the book's recipe: {'; '.join(differences(run.recipe))}")
    else:
        log.info(describe_run(comparison))
    log.info(f"the run is in {run.directory}")


def _recipe(args):
    changes = {**(quick_changes(args.model) if args.quick else {}), **_given(args, RECIPE_FLAGS)}
    return get_recipe(args.model, args.edition, **changes)


def _resumed_run(args, workers):
    """The run in --out; only --epochs may grow, and how it is computed may change."""
    if args.out is None:
        raise SettingError("--resume needs --out with the directory of the run to go on with.")
    run = Run.open(args.out)
    wanted = {"model": canonical_name(args.model), "workers": workers}
    wanted.update(_given(args, ("edition", *RECIPE_FLAGS)))
    if args.quick:
        wanted = {**quick_changes(args.model), **wanted}
    epochs = whole_number("epochs", wanted.pop("epochs", run.recipe.epochs))
    if epochs < run.recipe.epochs:
        raise RunError(f"{args.out} was begun for {run.recipe.epochs} epochs: --epochs may be more, but not {epochs}.")
    run.refuse_other_recipe(wanted)
    if run.recipe.lr_schedule and epochs > run.recipe.epochs:
        raise RunError(
            f"{args.out} was begun with the schedule {run.recipe.lr_schedule} over {run.recipe.epochs} epochs, which "
            "with more of them would have been another one: leave --epochs out, or choose another --out."
        )
    run.recipe = dataclasses.replace(run.recipe, epochs=epochs)
    before = run.settings["kvstore"]
    run.settings.update({"kvstore": SETTINGS["kvstore"], **_settings(args)})
    if "dist_async" in (before, run.settings["kvstore"]) and before != run.settings["kvstore"]:
        raise RunError(f"{args.out} was begun with --kvstore {before}: go on with the same, or choose another --out.")
    return run


def _settings(args):
    settings = _given(args, ("ctx", "hybrid", "threads", "data_dir", "checkpoint_every", "kvstore"))
    if args.data_dir is not None:
        settings["data_dir"] = str(Path(args.data_dir).expanduser().resolve())  # also from elsewhere, later
    return settings


def _check_settings(settings):
    if settings["threads"] not in (None, AUTO):
        check_threads(settings["threads"])
    if settings["checkpoint_every"] is not None:
        whole_number("checkpoint_every", settings["checkpoint_every"])


def _given(args, names):
    return {name: getattr(args, name) for name in names if getattr(args, name, None) is not None}


def _new_directory(recipe, quick):
    """runs/nin-zh-v1-seed0, or the first of -2, -3, ... that is not there."""
    name = default_name(recipe, quick)
    path, number = Path("runs") / name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return path


def _program(model):
    """How this program was called, up to its flags: by an example, which names the network, or by its own name."""
    program = sys.argv[0]
    if Path(program).resolve() == Path(__file__).resolve():
        return [sys.executable, "-m", "gluon_cnn.cli", "train", model]
    return [sys.executable, program] if program.endswith(".py") else [program, "train", model]


def _command_line():
    """What this process was called with, as one would type it elsewhere."""
    program = sys.argv[0]
    called = ["python", program] if program.endswith(".py") else [Path(program).name]
    return shlex.join([*called, *sys.argv[1:]])


def _evaluate(args):
    onnx = is_onnx(args.directory)
    devices = [mx.cpu()] if onnx else parse_context(args.ctx or "auto")
    if args.threads is not None:
        check_threads(args.threads)
        set_threads(args.threads, devices)
    if onnx:
        net = _onnx_network(args)
        test_iter, data, state = net.test_images(args.data_dir), net.data, net.state
        accuracy = evaluate_accuracy(test_iter, net, devices)
    else:
        run = Run.open(args.directory)
        data = run.recipe.data
        _, test_iter = load_data(run.recipe, args.data_dir or run.settings["data_dir"], devices[0])
        net, state = run.network(devices, args.checkpoint)
        trained = for_training(net, run.recipe, devices)  # so that this computes what the test pass of an epoch did
        with for_inference(net, run.recipe, devices, len(test_iter.labels), trained) as fastest:
            accuracy = evaluate_accuracy(test_iter, fastest, devices)
    images = f"{len(test_iter.labels):,} test images" + (" of the sample" if data == "sample" else "")
    after = f", after epoch {state['epoch']}" if state else ""
    after += f" and {state['step']} steps" if state and state["step"] else ""
    print(f"test accuracy {accuracy:.4f} on {images}{after}")


def _predict(args):
    if is_onnx(args.directory):
        net, device = _onnx_network(args), mx.cpu()
        resize = net.resize
    else:
        run = Run.open(args.directory)
        device = parse_context(args.ctx or "auto")[0]
        net, resize = run.network([device], args.checkpoint)[0], run.recipe.resize
    pictures = [read_picture(path, invert=args.invert) for path in args.images]
    for path, picture in zip(args.images, pictures):
        probabilities = softmax(net(to_batch(picture[None], resize, device))[0].asnumpy())
        print(path)
        for index in probabilities.argsort()[::-1]:
            print(f"  {CLASSES[index]:<12}{probabilities[index]:7.4f}")


def _onnx_network(args):
    if args.ctx not in (None, "auto", "cpu"):
        raise DeviceError(f"ctx is {args.ctx}, but an ONNX file is run on the CPU: leave --ctx out.")
    if args.checkpoint != "last":
        raise SettingError(f"{args.directory} is one network, without checkpoints: leave --checkpoint out.")
    return OnnxNetwork(args.directory)


def _export(args):
    run = Run.open(args.directory)
    options = {"which": args.checkpoint, "preprocess": args.preprocess, "data_dir": args.data_dir}
    paths, difference = export_run(run, args.format, args.out, **options)
    print(", ".join(map(str, paths)))
    if difference is not None:
        on = f"on {CHECKED} test images, where they go up to {difference.largest_logit:.2g}"
        print(f"logits differ from MXNet's by at most {difference.largest:.2g}, {on}")


def _summary(args):
    recipe = get_recipe(args.model, args.edition)
    side = recipe.resize or 28
    if args.resize is not None:
        side = whole_number("resize", args.resize)
    print(summary(recipe.network(), (1, 1, side, side)))


def _data(args):
    directory = find_fashion_mnist(args.data_dir)
    train_part, test_part = read_fashion_mnist(directory)
    numbers = f"{len(train_part.labels):,} training and {len(test_part.labels):,} test images"
    print(f"Fashion-MNIST, verified: {numbers} in {directory}")
    print(f"A sample of 2,000 and 500 of them is in {SAMPLE}")


def _compare(args):
    runs = [Run.open(directory) for directory in {Path(path).resolve(): path for path in args.directories}.values()]
    comparable = []
    for run in runs:
        if run.recipe.edition:  # else it is of a model zoo
            published_runs(run.recipe.model, run.recipe.edition)  # there are some, or it says that there are none
        differs = differences(run.recipe)
        if differs:
            print(f"{run.directory} is compared with nothing, for it is not the book's recipe: {'; '.join(differs)}")
        else:
            comparable.append(run)
    comparisons = compare_each(comparable)
    if len(comparable) == 1:
        print(describe_run(comparisons[0]))
    elif comparable:
        for run, comparison in zip(comparable, comparisons):
            print(f"{run.directory}: {comparison['verdict']}")
        out = Path(args.out or os.path.commonpath([run.directory.resolve().parent for run in comparable]))
        for of_kind in kinds(comparable).values():
            for comparison in compare_together(of_kind, out):
                print(f"\n{describe_runs(comparison)}")
        print(f"\nthe comparison is in {out}")


def _reproduce(args):
    models = list(dict.fromkeys(map(canonical_name, args.models.split(","))))
    changes = _given(args, ("init", "data"))
    recipes = [get_recipe(model, args.edition, seed=seed, **changes) for model in models for seed in args.seeds]
    published_runs(models[0], args.edition)  # or there is nothing to reproduce
    settings = _settings(args)
    _check_settings({**SETTINGS, **settings})
    try:
        written = reproduce(recipes, Path(args.out), settings, quiet=args.quiet)
    except RunStopped as stopped:
        raise RunStopped(f"{stopped}; the same command goes on", stopped.signal) from None
    log.info(f"the report is in {' and '.join(map(str, written))}")


def _report(args):
    for path in write_report(args.directory):
        print(path)


def _doctor(args):
    checks = examine(args.data_dir)
    print(as_json(checks) if args.json else describe(checks))
    return 0 if healthy(checks) else 1


_COMMANDS = {
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "export": _export,
    "compare": _compare,
    "reproduce": _reproduce,
    "report": _report,
    "summary": _summary,
    "data": _data,
    "doctor": _doctor,
}


class _TerminalHandler(logging.Handler):
    """Prints through tqdm, which keeps lines and a progress bar apart."""

    def emit(self, record):
        try:
            tqdm.write(self.format(record), file=sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:  # the run goes on
            _print_no_more()


def _log_to_terminal(quiet):
    package = logging.getLogger("gluon_cnn")
    package.setLevel(logging.INFO)
    for handler in [h for h in package.handlers if isinstance(h, _TerminalHandler)]:
        package.removeHandler(handler)
    if not quiet:
        package.addHandler(_TerminalHandler())


if __name__ == "__main__":
    sys.exit(main())
