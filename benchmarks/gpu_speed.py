"""The speed of training steps on a device, on one batch that is already there; prints JSON, a line each.

    python benchmarks/gpu_speed.py lenet,alexnet compiled,plain,book gpu
    python benchmarks/gpu_speed.py nin amp gpu
    python benchmarks/gpu_speed.py lenet,alexnet torch,torch-tf32,torch-compile gpu

``compiled``: hybridized, as the command line trains. ``plain``: not. ``book``: not either, and loss and accuracy are
fetched from the device after each step, as the notebooks do. ``amp``: hybridized, in mixed precision, which MXNet
cannot end, so that it comes last. ``torch``: eager, float32 without TF32; ``torch-tf32``: with it; ``torch-compile``:
without, compiled by ``torch.compile``.
"""

import gc
import json
import statistics
import sys
import time

import arguments


def rate(step, batch_size, wait_for_all):
    """Images/s: the median of five stretches of about 0.3 seconds."""
    for _ in range(3):
        step()
    wait_for_all()
    start = time.perf_counter()
    for _ in range(5):
        step()
    wait_for_all()
    number = max(1, round(1.5 / (time.perf_counter() - start)))
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(number):
            step()
        wait_for_all()
        rates.append(number * batch_size / (time.perf_counter() - start))
    return {"images_per_sec": round(statistics.median(rates), 1), "lowest": round(min(rates), 1)}


def mxnet_speed(model, way, ctx):
    """Steps on one batch that is on the device. ``book``: the notebook's, which fetches loss and accuracy each time."""
    from gluon_cnn import get_recipe
    from gluon_cnn.data import FASHION_MNIST
    from gluon_cnn.training import mixed_precision
    from gluon_cnn.training.setup import build_network, make_trainer

    # isort: split
    import mxnet as mx
    from mxnet import autograd, gluon

    kind, _, number = ctx.partition(":")
    device = mx.Context(kind, int(number or 0))
    recipe, hybrid = get_recipe(model, amp=way == "amp"), way in ("compiled", "amp")
    mixed_precision.begin(recipe.amp, [device])
    net = build_network(recipe, FASHION_MNIST, hybrid=hybrid)
    net.initialize(mx.init.Xavier(), ctx=device)
    trainer, loss = make_trainer(net, recipe), gluon.loss.SoftmaxCrossEntropyLoss()
    if recipe.amp:
        mixed_precision.load_scaler(trainer)
    if hybrid:
        net.hybridize(static_alloc=True, static_shape=True)
        loss.hybridize()
    side, size = recipe.side, recipe.batch_size
    free = mx.context.gpu_memory_info()[0] if device.device_type == "gpu" else 0
    X, y = mx.nd.random.uniform(shape=(size, 1, side, side), ctx=device), mx.nd.arange(size, ctx=device) % 10

    def step():
        with autograd.record():
            y_hat = net(X)
            batch_loss = loss(y_hat, y).sum()
        mixed_precision.backward([batch_loss], [], trainer)
        trainer.step(size)
        if way == "book":
            batch_loss.asscalar()
            (y_hat.argmax(axis=1) == y).sum().asscalar()

    result = rate(step, size, mx.nd.waitall)
    if device.device_type == "gpu":  # MXNet keeps what it has taken
        result["mib_more"] = (free - mx.context.gpu_memory_info()[0]) >> 20
    return result


def torch_speed(model, way, ctx):
    """The same in PyTorch, as it comes except for TF32."""
    import torch
    import torch_code

    device = "cuda" if ctx.startswith("gpu") else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = way == "torch-tf32"
    size, side, lr = torch_code.RECIPES[model]
    net = torch_code.initialized(torch.nn.Sequential(*getattr(torch_code, model)()), side).to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    if way == "torch-compile":
        net = torch.compile(net)
    X, y = torch.rand(size, 1, side, side, device=device), torch.arange(size, device=device) % 10

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(X), y).backward()
        optimizer.step()

    result = rate(step, size, torch.cuda.synchronize if device == "cuda" else lambda: None)
    if device == "cuda":
        result["mib_more"] = torch.cuda.max_memory_reserved() >> 20
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return {**result, "torch": torch.__version__}


def main(models, ways, ctx):
    for model in models.split(","):
        for way in ways.split(","):
            try:
                result = torch_speed(model, way, ctx) if way.startswith("torch") else mxnet_speed(model, way, ctx)
            except Exception as error:  # the next one may work
                result = {"error": str(error).strip()[-300:]}
            print(json.dumps({"model": model, "way": way, **result}), flush=True)
            gc.collect()
            if "mxnet" in sys.modules and ctx.startswith("gpu"):
                sys.modules["mxnet"].gpu().empty_cache()


if __name__ == "__main__":
    parser = arguments.parser(__doc__)
    parser.add_argument("models", help="names with commas in between")
    parser.add_argument("ways", help="some of those above, with commas in between")
    parser.add_argument("ctx", help="cpu, gpu, or gpu:1 and so on")
    main(**vars(parser.parse_args()))
