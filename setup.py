"""Package gluon-cnn: the requirements depend on the Python and on the device, so they are code."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# MXNet 1.9.1 reads numpy.bool and more that NumPy 1.24 dropped; on Python 3.12, where nothing older
# than NumPy 1.26 has a wheel, gluon_cnn.runtime puts back what is needed.
NUMPY = [
    'numpy>=1.20,<1.24; python_version < "3.12"',
    'numpy==1.26.4; python_version >= "3.12"',
]
BESIDE_MXNET = [
    'setuptools; python_version >= "3.12"',  # MXNet imports distutils, which left the standard library
    "jinja2>=3",
    "matplotlib>=3.7",
    "msgspec>=0.18",
    "pillow>=8",
    "portalocker>=2",
    "psutil>=5.9",
    "requests>=2.25",
    "scipy>=1.7",
    "tqdm>=4.60",
    'typing_extensions; python_version < "3.9"',
    "urllib3>=2.2",  # whose read1 gives what has arrived
]
RUNTIME = [*NUMPY, *BESIDE_MXNET]
# Its model zoo; it cannot be imported with MXNet 2.
GLUONCV = ["gluoncv==0.10.5.post0"]
# What libmxnet.so of mxnet-cu112 links to, at the versions it was built for (cuDNN 9 has another soname).
CUDA_11 = [
    "nvidia-cuda-runtime-cu11==11.8.89",
    "nvidia-cublas-cu11==11.11.3.6",
    "nvidia-cudnn-cu11==8.9.6.50",
    "nvidia-cufft-cu11",
    "nvidia-curand-cu11",
    "nvidia-cusolver-cu11",
    "nvidia-cusparse-cu11",
    "nvidia-cuda-nvrtc-cu11",
    "nvidia-nvtx-cu11",
    "nvidia-nccl-cu11",
]
# MXNet's converter imports onnx.mapping, which onnx dropped later. Tried on 3.8 to 3.12, with the NumPy above.
ONNX = ["onnx==1.16.2", "onnxruntime>=1.18.1,<1.23"]
SAFETENSORS = ["safetensors>=0.4"]

setup(
    name="gluon-cnn",
    version="0.1.0",
    description='The CNN chapters of "Dive into Deep Learning" in Apache MXNet Gluon, as software that runs.',
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.8,<3.13",
    packages=find_packages(include=["gluon_cnn", "gluon_cnn.*"]),
    package_data={
        "gluon_cnn.comparison": ["README.md", "published_runs.csv", "templates/*"],
        "gluon_cnn.data": ["first_release.png", "sample/*"],
        "gluon_cnn.inspection": ["templates/*"],
        "gluon_cnn.models.pretrained": ["*.json", "*.params"],
        "gluon_cnn.runtime": ["README.md"],
    },
    entry_points={"console_scripts": ["gluon-cnn = gluon_cnn.cli:main"]},
    extras_require={
        "cpu": ["mxnet==1.9.1", *GLUONCV, *RUNTIME],
        "cu112": ["mxnet-cu112==1.9.1", *CUDA_11, *GLUONCV, *RUNTIME],
        "mxnet2": ["mxnet==2.0.0b1", *RUNTIME],  # the last of MXNet on PyPI, a beta; tried on Python 3.11
        # Beside a build of MXNet that no index has (docs/gpu.md), which brings the NumPy that it works with.
        "own-mxnet": ["numpy>=1.20,<2", *BESIDE_MXNET],
        "onnx": ONNX,
        "safetensors": SAFETENSORS,
        "torch": [*SAFETENSORS, "torch>=2"],
        "dev": [
            "hypothesis>=6",
            "ipykernel",
            "nbclient>=0.5",
            "pytest>=7",
            "pytest-timeout>=2",
            "ruff==0.17.6",
            "selenium>=4",
            *ONNX,
            *SAFETENSORS,
        ],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
