"""An ONNX file in the place of a run."""

from gluon_cnn.errors import DeviceError, SettingError
from gluon_cnn.models.pretrained import PACKAGED, PRETRAINED

__all__ = ["RUN_OR_ONNX", "open_onnx"]

#: The help of an argument that takes either.
RUN_OR_ONNX = ", ".join(["a run's directory", *(f"{PACKAGED}:{name}" for name in PRETRAINED), "or an .onnx file"])


def open_onnx(args):
    """The network in the ONNX file that a command names instead of a run's directory.

    Raises
    ------
    DeviceError, SettingError
        If the command asks for a device or a checkpoint, which such a file does not have.
    InteropError
        If the file cannot be used.
    """
    from gluon_cnn.interop.onnx_network import OnnxNetwork

    if args.ctx not in (None, "auto", "cpu"):
        raise DeviceError(f"ctx is {args.ctx}, but an ONNX file is run on the CPU: leave the device out.", "ctx")
    if args.which != "last":
        raise SettingError(f"{args.directory} is one network, without checkpoints: leave the checkpoint out.", "which")
    return OnnxNetwork(args.directory)
