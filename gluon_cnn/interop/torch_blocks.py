"""The blocks of the book's networks in PyTorch. They need PyTorch alone: a pickled network can take this file along."""

import torch
from torch import nn

__all__ = ["DenseBlock", "Parallel", "Residual"]


class Parallel(nn.Module):
    """Paths side by side, whose outputs are joined along the channels, as the book's ``Inception``.

    Parameters
    ----------
    paths : list of list of list of torch.nn.Module
        Of each path its layers, and of each layer its modules. ``p2_1`` is the first layer of the second path, as in
        the book's PyTorch edition, and ``p2_1_relu`` its activation.
    """

    def __init__(self, paths):
        super().__init__()
        self._paths = []
        for path, layers in enumerate(paths, 1):
            names = []
            for number, modules in enumerate(layers, 1):
                for module in modules:
                    name = f"p{path}_{number}"
                    if name in names or isinstance(module, nn.Flatten):
                        name += f"_{type(module).__name__.lower()}"
                    self.add_module(name, module)
                    names.append(name)
            self._paths.append(names)

    def forward(self, x):
        """The paths' outputs for a batch, joined."""
        outputs = []
        for names in self._paths:
            output = x
            for name in names:
                output = getattr(self, name)(output)
            outputs.append(output)
        return torch.cat(outputs, 1)


class DenseBlock(nn.Module):
    """Layers of which each takes the input and the outputs of all before it, joined along the channels."""

    def __init__(self, layers):
        super().__init__()
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        """A batch and all layers' outputs, joined."""
        for layer in self.net:
            x = torch.cat([x, layer(x)], 1)
        return x


class Residual(nn.Module):
    """The book's residual block.

    Parameters
    ----------
    **layers : torch.nn.Module
        ``conv1``, ``conv2``, ``bn1``, ``bn2``, ``relu``, and ``conv3`` where the input needs other channels.
    """

    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        if "conv3" not in layers:
            self.conv3 = None

    def forward(self, x):
        """The block's output for a batch."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.conv3 is None else self.conv3(x)))
