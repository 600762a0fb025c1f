"""Whether parameters from a file are those of a network."""

__all__ = ["fits", "misfit"]


def misfit(shapes, net):
    """The first thing in which parameters differ from a network's, as half a sentence; None if they fit.

    Parameters
    ----------
    shapes : dict
        A tuple for each structural name, such as ``0.0.weight``.
    net : Block
        Its shapes may be open, in part or whole.
    """
    expected = {name: parameter.shape for name, parameter in net._collect_params_with_prefix().items()}
    for name, shape in expected.items():
        if name not in shapes or not fits(shapes[name], shape):
            has = f"of shape {shapes[name]}" if name in shapes else "none"
            return f"{name} should be of shape {shape}, but it has {has}"
    surplus = next((name for name in shapes if name not in expected), None)
    return surplus and f"it has {surplus}, which this one has not"


def fits(shape, expected):
    """Whether an array's shape is the one expected, where 0 or -1 is a size that is not known yet."""
    if expected is None:
        return True
    return len(shape) == len(expected) and all(size == e or e in (0, -1) for size, e in zip(shape, expected))
