"""From how many workers on a parameter server, or the link to it, takes longer than a step: docs/scaling.md's table.

    python benchmarks/scaling_model.py

MEASURED is what benchmarks/parameter_server.py printed. Least squares of the relative errors give two numbers:
the seconds that one server with two cores needs for each byte that a worker sends and gets back, and for each array.
"""

import math

import arguments
import numpy as np

#: Workers, parameters, arrays, seconds a step: one server, all processes on one machine of two cores.
MEASURED = [
    (1, 44_426, 10, 0.0007), (2, 44_426, 10, 0.0013), (4, 44_426, 10, 0.0029),
    (1, 1_992_166, 24, 0.0089), (2, 1_992_166, 24, 0.0200), (4, 1_992_166, 24, 0.0411),
    (1, 43_093_322, 22, 0.3096), (2, 43_093_322, 22, 0.5768), (4, 43_093_322, 22, 1.1363),
    (1, 46_764_746, 16, 0.3513), (2, 46_764_746, 16, 0.5766), (4, 46_764_746, 16, 1.1949),
]  # fmt: skip

# Seconds a step of 128 images (LeNet: 256): on two cores, as measured with an earlier version; on a V100
# from the published epochs (test pass included, which makes them a little long).
STEPS, LENET_STEPS = 469, 235
#: Network, parameters, arrays, {device: seconds a step}.
NETWORKS = [
    ("LeNet", 44_426, 10, {"two cores": 0.016, "V100": 1.7 / LENET_STEPS}),
    ("NiN", 1_992_166, 24, {"two cores": 128 / 46.3, "V100": 22.9 / STEPS}),
    ("VGG-11/4", 43_093_322, 22, {"two cores": 2.0, "V100": 36.2 / STEPS}),
    ("AlexNet", 46_764_746, 16, {"two cores": 2.75, "V100": 16.8 / STEPS}),
    # ImageNet: ResNet-50's 384 images/s are measured (see docs/scaling.md), the others follow from their multiply-adds
    # (0.71 and 15.5 thousand million an image, ResNet-50's 4.1) at the same rate.
    ("ResNet-50, ImageNet", 25_575_912, 193, {"V100": 128 / 384}),
    ("AlexNet, ImageNet", 61_100_840, 16, {"V100": 128 / 384 * 0.71 / 4.1}),
    ("VGG-16, ImageNet", 138_357_544, 32, {"V100": 128 / 384 * 15.5 / 4.1}),
]
GIGABITS = (1, 10, 100)


def fitted():
    """Seconds a byte, seconds an array, and the largest relative error of the fit."""
    rows = np.array([[workers * 4 * parameters, workers * arrays] for workers, parameters, arrays, _ in MEASURED])
    seconds = np.array([row[-1] for row in MEASURED])
    numbers, *_ = np.linalg.lstsq(rows / seconds[:, None], np.ones(len(rows)), rcond=None)
    return (*numbers, abs(rows @ numbers / seconds - 1).max())


def limits(parameters, arrays, step, gigabits, per_byte, per_array):
    """From how many workers on one server's link, and one server's cores, take longer than a step; the second is for a
    server like the measured one."""
    size = 4 * parameters
    link = 8 * size / (gigabits * 1e9)  # each way, and both ways at a time
    cores = size * per_byte + arrays * per_array
    return math.floor(step / link) + 1, math.floor(step / cores) + 1


def main():
    per_byte, per_array, error = fitted()
    print(
        f"{per_byte * 1e9:.2f} ns a byte, {per_array * 1e6:.0f} µs an array, within {error:.0%} of each measurement\n"
    )
    print("| network | MB each way, a worker and step | device | step, s | 1 Gbit/s | 10 | 100 | two cores |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, parameters, arrays, steps in NETWORKS:
        for device, step in steps.items():
            found = [limits(parameters, arrays, step, gigabits, per_byte, per_array) for gigabits in GIGABITS]
            links = " | ".join(str(link) for link, _ in found)
            print(f"| {name} | {4 * parameters / 1e6:.1f} | {device} | {step:.3f} | {links} | {found[0][1]} |")


if __name__ == "__main__":
    arguments.parser(__doc__).parse_args()
    main()
