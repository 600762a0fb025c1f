"""Everything that is wanted from a GPU, most wanted first, in eight minutes; what is done is written as it comes.

    python benchmarks/on_a_gpu.py OUT --data-dir DIR
    python benchmarks/on_a_gpu.py OUT --data-dir DIR --first "python check.py DIR"
    python benchmarks/on_a_gpu.py OUT --rehearse

The self-test, LeNet's fifteen runs, the speeds, and two runs of each network in both editions, as far as time
suffices. OUT gets results.jsonl, a line for each command that has ended, what each printed, and the runs. A command
that the time ends is stopped as by Ctrl-C, and so saved; started again, the script continues there. --rehearse does all
this on the CPU, with the sample and LeNet alone.
"""

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import arguments

from gluon_cnn.models import list_models

HERE = Path(__file__).parent
CLI = [sys.executable, "-m", "gluon_cnn.cli"]
LARGE = ["nin", "alexnet", "vgg11"]
GRACE = 30  # seconds in which a command that is stopped saves what it has


def steps(args):
    """The commands by their names, in order; those of MXNet and PyTorch never in one process."""
    large = [] if args.rehearse else LARGE
    others = [] if args.rehearse else [name for name in list_models() if name not in (*LARGE, "lenet")]
    speed = [sys.executable, str(HERE / "gpu_speed.py")]
    if args.first:
        yield "first", shlex.split(args.first)
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


def run(command, output, seconds):
    """Run a command, which prints to a file, for so many seconds at most; its exit code, and whether it was stopped."""
    with open(output, "ab") as file, open(output.with_suffix(".err"), "ab") as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=errors)
        try:
            return process.wait(seconds), False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        except KeyboardInterrupt:  # which the command got too
            process.wait(GRACE)
            raise
        try:
            return process.wait(GRACE), True
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(), True


def done_before(path):
    """The names of the steps that have ended by themselves."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {row["step"] for row in map(json.loads, lines) if not row["stopped"]}


def main():
    parser = arguments.parser(__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="with Fashion-MNIST, the first release if it is there"
    )
    parser.add_argument("--ctx", help="(default gpu; cpu:1 in a rehearsal)")
    parser.add_argument("--seconds", type=arguments.count, default=480, help="(default 480)")
    parser.add_argument("--first", metavar="COMMAND", help="another command, before all others")
    parser.add_argument("--rehearse", action="store_true", help="small, on the CPU")
    args = parser.parse_args()
    if not args.rehearse and args.data_dir is None:
        parser.error("--data-dir is needed")
    args.ctx = args.ctx or ("cpu:1" if args.rehearse else "gpu")
    args.out.mkdir(parents=True, exist_ok=True)
    end, results = time.monotonic() + args.seconds, args.out / "results.jsonl"
    done = done_before(results)
    for name, command in steps(args):
        left = end - time.monotonic() - GRACE
        if name in done or left < 5:
            print(f"{name}: {'done before' if name in done else 'no time left'}", flush=True)
            continue
        start = time.monotonic()
        code, stopped = run(command, args.out / f"{name}.out", left)
        row = {"step": name, "code": code, "stopped": stopped, "seconds": round(time.monotonic() - start, 1)}
        with open(results, "a", encoding="utf-8") as file:
            file.write(json.dumps({**row, "command": shlex.join(command)}) + "\n")
        print(row, flush=True)


if __name__ == "__main__":
    main()
