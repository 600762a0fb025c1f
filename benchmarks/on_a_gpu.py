"""Everything that is wanted from a GPU, most wanted first, in eight minutes; what is done is written as it comes.

    python benchmarks/on_a_gpu.py OUT --data-dir DIR
    python benchmarks/on_a_gpu.py OUT --data-dir DIR --first "python check.py DIR"
    python benchmarks/on_a_gpu.py OUT --rehearse

The self-test, LeNet's fifteen runs, the speeds, and two runs of each network in both editions, as far as time
suffices. OUT gets results.jsonl, a line for each command that has ended, what each printed, and the runs. A command
that the time or a signal ends is stopped as by Ctrl-C, and so saved; started again, the script continues there, and
tries again what failed. --rehearse does all this on the CPU, with the sample and LeNet alone.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import arguments

from gluon_cnn.data import read_fashion_mnist
from gluon_cnn.errors import GluonCNNError
from gluon_cnn.models import list_models

HERE = Path(__file__).parent
CLI = [sys.executable, "-m", "gluon_cnn.cli"]
LARGE = ["nin", "alexnet", "vgg11"]
GRACE = 30  # seconds in which a command that is stopped saves what it has
# In a process of its own, so that this one leaves a GPU to the commands.
DEVICE = """
import sys
from gluon_cnn.errors import GluonCNNError
from gluon_cnn.runtime.devices import parse_context
try:
    devices = parse_context(sys.argv[1])
except GluonCNNError as error:
    sys.exit(str(error))
sys.exit("name one device" if len(devices) > 1 else 0)
"""


def steps(args):
    """The commands by their names, in order; those of MXNet and PyTorch never in one process."""
    large = [] if args.rehearse else LARGE
    others = [] if args.rehearse else [name for name in list_models() if name not in (*LARGE, "lenet")]
    speed = [sys.executable, str(HERE / "gpu_speed.py")]
    if args.first:
        yield "first", args.first
    yield "selftest", [*CLI, "selftest", "--ctx", args.ctx, "--json"]
    yield "runs-lenet-zh-v1", reproduce(args, "lenet", "zh-v1", "0-1" if args.rehearse else "0-14")
    networks = ",".join([*large, *others, "lenet"])
    yield "speed-mxnet", [*speed, networks, "compiled,plain,book", args.ctx]
    yield "speed-torch", [*speed, ",".join([*large, "lenet"]), "torch,torch-tf32", args.ctx]
    if not args.rehearse:
        yield "speed-amp", [*speed, "nin", "amp", args.ctx]
    for edition in ("zh-v1", "en"):
        for model in [*large, *others] if edition == "zh-v1" else ["lenet", *large, *others]:
            yield f"runs-{model}-{edition}", reproduce(args, model, edition, "0,1")
    if not args.rehearse:  # it may compile for minutes
        yield "speed-torch-compile", [*speed, ",".join([*large, "lenet"]), "torch-compile", args.ctx]


def reproduce(args, model, edition, seeds):
    data = ["--data", "sample"] if args.rehearse else ["--data-dir", str(args.data_dir)]
    words = ["--models", model, "--edition", edition, "--seeds", seeds, "--ctx", args.ctx, *data]
    return [*CLI, "reproduce", *words, "--out", str(args.out / "runs" / edition), "--quiet"]


def run(command, output, seconds, signals):
    """Run a command, which prints to a file, for so many seconds at most or until a signal has come.

    Its exit code, 127 if it cannot be started, and whether it was stopped."""
    try:
        with open(output, "ab") as file, open(output.with_suffix(".err"), "ab") as errors:
            # In a session of its own, so that Ctrl-C reaches it once, from here.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=errors, start_new_session=True
            )
    except OSError as error:
        print(f"{shlex.join(command)} cannot be started: {error}", flush=True)
        return 127, False
    if _ended(process, seconds, signals):
        return process.returncode, False
    seen = len(signals)
    os.killpg(process.pid, signal.SIGINT)
    if not _ended(process, GRACE, signals, seen):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait(), True


def _ended(process, seconds, signals, seen=0):
    """Whether a process ends within so many seconds, and before another signal comes."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end and len(signals) == seen:
        time.sleep(0.1)
    return process.poll() is not None


def done_before(path):
    """The names of the steps that have ended by themselves, and well; the self-test says what it found with 0 or 1."""
    done = set()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
            if row["stopped"] is False and row["code"] in ((0, 1) if row["step"] == "selftest" else (0,)):
                done.add(row["step"])
        except (ValueError, LookupError, TypeError, RecursionError):
            print(f"{path}: left out, because it is not a row: {line[:60]!r}", flush=True)
    return done


def take_steps(args, results, done):
    """Take the steps that are not done; the exit code."""
    signals, end = [], time.monotonic() + args.seconds
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # also SIGINT, which a shell's & lets commands ignore
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does
            signal.signal(number, lambda number, _: signals.append(number))
    for name, command in steps(args):
        left = end - time.monotonic() - GRACE
        if name in done or left < 5:
            print(f"{name}: {'done before' if name in done else 'no time left'}", flush=True)
            continue
        start = time.monotonic()
        code, stopped = run(command, args.out / f"{name}.out", left, signals)
        row = {"step": name, "code": code, "stopped": stopped, "seconds": round(time.monotonic() - start, 1)}
        with open(results, "a", encoding="utf-8") as file:
            file.write(json.dumps({**row, "command": shlex.join(command)}) + "\n")
        print(row, flush=True)
        if signals:
            return 128 + signals[0]
    return 0


def main():
    parser = arguments.parser(__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="with Fashion-MNIST, the first release if it is there"
    )
    parser.add_argument("--ctx", help="(default gpu; cpu:1 in a rehearsal)")
    parser.add_argument("--seconds", type=arguments.count, default=480, help="(default 480)")
    parser.add_argument("--first", type=shlex.split, metavar="COMMAND", help="another command, before all others")
    parser.add_argument("--rehearse", action="store_true", help="small, on the CPU")
    args = parser.parse_args()
    if not args.rehearse and args.data_dir is None:
        parser.error("--data-dir is needed")
    args.ctx = args.ctx or ("cpu:1" if args.rehearse else "gpu")
    results = args.out / "results.jsonl"
    try:
        if not args.rehearse:
            read_fashion_mnist(args.data_dir)
        found = subprocess.run([sys.executable, "-c", DEVICE, args.ctx], stderr=subprocess.PIPE)
        if found.returncode:
            said = found.stderr.decode(errors="replace").splitlines() or [f"it ended with {found.returncode}"]
            parser.error(f"--ctx {args.ctx}: {said[-1]}")
        args.out.mkdir(parents=True, exist_ok=True)
        done = done_before(results)
        with open(results, "ab+") as file:  # a row that was cut off gets an end
            file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
            if file.read() not in (b"", b"\n"):
                file.write(b"\n")
        sys.exit(take_steps(args, results, done))
    except (GluonCNNError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:  # before there was a step
        sys.exit(130)


if __name__ == "__main__":
    main()
