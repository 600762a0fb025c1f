"""Stand-ins for libraries that this machine lacks: a libmxnet.so that can be read, and NVIDIA's driver."""

import ctypes
import struct

#: What PyPI's GPU wheel needs of CUDA.
CUDA_11_NEEDS = ("libcudart.so.11.0", "libcuda.so.1", "libcudnn.so.8", "libnvrtc.so.11.2", "libc.so.6")
#: Images of the fat binaries in PyPI's GPU wheels: kind (1 is PTX, 2 machine code) and compute capability times ten.
CUDA_11_IMAGES = ((2, 50), (2, 60), (2, 70), (2, 80), (2, 86))


def library(path, needs=(), images=None, between=b"\0" * 40):
    """Write an ELF file that needs some libraries, with a fat binary of some images twice, or without a GPU's code."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in needs)
    places = [strings.index(name.encode() + b"\0") for name in needs]
    sections = {
        b".dynamic": b"".join(struct.pack("<QQ", 1, place) for place in places) + struct.pack("<QQ", 0, 0),
        b".dynstr": strings,
    }
    if images is not None:
        entries = b"".join(_image(kind, capability) for kind, capability in images)
        binary = struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(entries)) + entries
        sections[b".nv_fatbin"] = binary + between + binary
    names = b"\0" + b"\0".join([*sections, b".shstrtab"]) + b"\0"
    sections[b".shstrtab"] = names
    body, headers = b"", [bytes(64)]
    for name, content in sections.items():
        place = 64 + len(body)
        headers.append(struct.pack("<IIQQQQIIQQ", names.index(name), 1, 0, 0, place, len(content), 0, 0, 1, 0))
        body += content
    start = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64,
                        len(headers), len(headers) - 1)  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(start + body + b"".join(headers))
    return path


def _image(kind, capability):
    code = b"\x7fELF or PTX, packed"
    header = struct.pack("<HHIQQIIIIQQ", kind, 0x101, 64, len(code), 0, 0, capability, 0, 0, 0, 0)
    return header.ljust(64, b"\0") + code


_WORDS = {
    2: b"out of memory",
    46: b"CUDA-capable device(s) is/are busy or unavailable",
    802: b"system not yet initialized",
}


class Driver:
    """NVIDIA's driver as :mod:`ctypes` gives it: each function returns an error's number, 0 if there is none.

    Parameters
    ----------
    errors : dict, optional
        Numbers, by the names of the functions that fail.
    """

    def __init__(self, version=12040, capability=(8, 0), free=8 << 30, errors=None):
        self.version, self.capability, self.free, self.errors = version, capability, free, errors or {}

        self.held = 0  # contexts

    def hold(self, more):
        self.held += more

    def __getattr__(self, name):
        if name not in _FUNCTIONS:
            raise AttributeError(name)

        def call(*arguments):
            if name not in self.errors:
                _FUNCTIONS[name](self, *arguments)
            return self.errors.get(name, 0)

        return call


def _set(argument, value):
    argument._obj.value = value


_FUNCTIONS = {
    "cuDriverGetVersion": lambda driver, version: _set(version, driver.version),
    "cuInit": lambda driver, flags: None,
    "cuDeviceGet": lambda driver, device, index: _set(device, index),
    "cuDeviceGetAttribute": lambda driver, number, attribute, device: _set(number, driver.capability[attribute - 75]),
    "cuDevicePrimaryCtxRetain": lambda driver, context, device: driver.hold(1) or _set(context, 1),
    "cuDevicePrimaryCtxRelease_v2": lambda driver, device: driver.hold(-1),
    "cuCtxPushCurrent_v2": lambda driver, context: None,
    "cuCtxPopCurrent_v2": lambda driver, context: None,
    "cuMemGetInfo_v2": lambda driver, free, total: _set(free, driver.free),
    "cuGetErrorString": lambda driver, code, text: _set(text, _WORDS.get(code)),
}


def put_driver(monkeypatch, driver):
    """Let NVIDIA's driver be ``driver``, or none if that is None. Other libraries are loaded as ever."""
    load = ctypes.CDLL

    def stand_in(name, *arguments, **options):
        if name != "libcuda.so.1":
            return load(name, *arguments, **options)
        if driver is None:
            raise OSError("libcuda.so.1: cannot open shared object file: No such file or directory")
        return driver

    monkeypatch.setattr(ctypes, "CDLL", stand_in)
