"""The variables that MXNet, OpenMP and a job's processes read, and what each may be.

MXNet reads them in C++, some on threads of its own, where a value that it cannot use ends the process by a signal or
leaves it waiting forever. Nothing can catch that, so they are looked at before MXNet is imported. The names are those
of MXNet 1.9.1's source; where it says MKLDNN, MXNet 2 says ONEDNN.
"""

import os
import re
import sys
from collections import namedtuple

from gluon_cnn.checks import brief
from gluon_cnn.errors import InstallationError

__all__ = ["ALWAYS_READ", "check_variables", "thread_number", "variables_in_words", "wrong_variables"]


# What a value must be, in words, and a function of a text. Not by typing, whose import takes a while.
_Kind = namedtuple("_Kind", ["words", "fits"])


def _whole(least=-(2**31), most=2**31 - 1):
    """A whole number as C++ reads it, which is Python's int without its underscores and other scripts' digits."""

    def fits(text):
        return bool(re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", text, re.ASCII)) and least <= int(text) <= most

    words = f"a whole number from {least} to {most}" if (least, most) != (-(2**31), 2**31 - 1) else "a whole number"
    return _Kind(words, fits)


def _one_of(*names):
    return _Kind(f"{', '.join(names[:-1])} or {names[-1]}", lambda text: text in names)


def _is_number(text):
    return bool(
        re.fullmatch(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,2})?\s*", text, re.ASCII | re.IGNORECASE)
    )


def _is_thread_list(text):
    return all(_THREADS.fits(number) for number in text.split(","))


def _stack_size(unit):
    """A thread's stack as libgomp reads it: a number, alone or with B, K, M or G."""
    bytes_of = {"": unit, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

    def fits(text):
        match = re.fullmatch(r"\s*([0-9]{1,18})\s*([BKMG]?)\s*", text, re.ASCII | re.IGNORECASE)
        return bool(match) and 1 << 18 <= int(match[1]) * bytes_of[match[2].upper()] <= 1 << 30

    return _Kind("from 256K to 1G", fits)


_THREADS = _whole(1, max(1024, os.cpu_count() or 1))  # 100,000 cannot be started
_WHOLE = _whole()
_SWITCH = _Kind("0, 1, true or false", lambda text: text.lower() in ("0", "1", "true", "false"))

#: Kinds, and the names without MXNET_ that have them.
_MXNET = (
    (_one_of("ThreadedEnginePerDevice", "ThreadedEngine", "NaiveEngine"), "ENGINE_TYPE"),
    (_one_of("Naive", "Round", "Unpooled"), "GPU_MEM_POOL_TYPE"),
    (
        _whole(1, 64),
        """
        CPU_NNPACK_NTHREADS CPU_PRIORITY_NTHREADS CPU_WORKER_NTHREADS GPU_COPY_NTHREADS
        GPU_WORKER_NTHREADS KVSTORE_REDUCTION_NTHREADS
        """,
    ),
    (
        _whole(1, 1024),
        """
        CPU_PARALLEL_RAND_COPY CPU_TEMP_COPY GPU_CUDNN_DROPOUT_STATE_COPY GPU_PARALLEL_RAND_COPY
        GPU_TEMP_COPY
        """,
    ),
    (
        _whole(1),
        """
        GPU_MEM_LARGE_ALLOC_ROUND_SIZE KVSTORE_BIGARRAY_BOUND KVSTORE_SLICE_THRESHOLD
        KVSTORE_TREE_ARRAY_BOUND OPTIMIZER_AGGREGATION_SIZE TENSORRT_MAX_BATCH_SIZE
        UPDATE_AGGREGATION_SIZE
        """,
    ),
    (
        _whole(0, 1_000_000),
        """
        EXEC_BULK_EXEC_MAX_NODE_TRAIN EXEC_BULK_EXEC_MAX_NODE_TRAIN_BWD
        EXEC_BULK_EXEC_MAX_NODE_TRAIN_FWD
        """,
    ),
    (_whole(0, 100), "GPU_MEM_POOL_RESERVE"),
    (_whole(32), "GPU_MEM_POOL_PAGE_SIZE"),
    (_whole(20, 34), "GPU_MEM_POOL_ROUND_LINEAR_CUTOFF"),
    (_whole(0, 2), "CUDNN_AUTOTUNE_DEFAULT"),
    (_whole(0, 15), "PROFILER_MODE"),
    (_whole(-1), "MKLDNN_CACHE_NUM"),
    (
        _WHOLE,
        """
        BACKWARD_DO_MIRROR CPU_PARALLEL_SIZE CUDA_GRAPHS_MAX_LOG_ENTRIES DISABLE_MKLDNN_CONV_OPT
        DISABLE_MKLDNN_FC_OPT DISABLE_MKLDNN_FUSE_CONV_BN DISABLE_MKLDNN_FUSE_CONV_RELU
        DISABLE_MKLDNN_FUSE_CONV_SUM DISABLE_MKLDNN_TRANSFORMER_OPT ENABLE_CYTHON ENABLE_GPU_P2P
        ENFORCE_CYTHON EXEC_INPLACE_GRAD_SUM_CAP EXEC_NUM_TEMP GPU_WORKER_NSTREAMS
        KVSTORE_SERIAL_PUSH KVSTORE_TREE_BACKTRACK KVSTORE_USETREE MEMORY_OPT
        MKLDNN_QFC_DYNAMIC_PARAMS MP_OPENCV_NUM_THREADS MP_WORKER_NTHREADS OMP_MAX_THREADS
        PROFILER_AUTOSTART QUANTIZATION_VERBOSE RNN_USE_WEIGHT_CACHE SUBGRAPH_VERBOSE
        TENSORRT_VERBOSE UPDATE_ON_KVSTORE USE_MKLDNN_RNN USE_NAIVE_STORAGE_MANAGERS
        """,
    ),
    (
        _SWITCH,
        """
        CUDA_ALLOW_TENSOR_CORE CUDA_GRAPHS_VERBOSE CUDA_LIB_CHECKING
        CUDA_TENSOR_OP_MATH_ALLOW_CONVERSION CUDNN_LIB_CHECKING DISABLE_MKLDNN_FUSE_FC_ELTWISE
        DISABLE_MKLDNN_QEM_FLOAT_OUTPUT DISABLE_MKLDNN_QEM_FUSE_ALL DISABLE_MKLDNN_QFC_FLOAT_OUTPUT
        DISABLE_MKLDNN_QFC_FUSE_ALL DISABLE_MKLDNN_QTRANSFORMER_FLOAT_OUTPUT
        DISABLE_MKLDNN_QTRANSFORMER_FUSE_ALL ELIMINATE_COMMON_EXPR ENABLE_CUDA_GRAPHS
        ENFORCE_DETERMINISM ENGINE_INFO EXEC_BULK_EXEC_INFERENCE EXEC_BULK_EXEC_TRAIN
        EXEC_VERBOSE_LOGGING FC_TRUE_FP16 FUSION_SIZE_WARNING FUSION_VERBOSE
        INFER_STORAGE_TYPE_VERBOSE_LOGGING KVSTORE_DIST_ROW_SPARSE_VERBOSE KVSTORE_LOGTREE
        MEM_PLAN_VERBOSE_LOGGING MKLDNN_DEBUG MKLDNN_ENABLED MKLDNN_FORCE_FC_AB_FORMAT
        OUTPUT_TUNING_DATA RTC_VERBOSE SAFE_ACCUMULATION STORAGE_FALLBACK_LOG_VERBOSE USE_FUSION
        USE_NUM_CORES_OPERATOR_TUNING VERBOSE_TUNING_INFO
        """,
    ),
    (_Kind("a number", _is_number), "KVSTORE_TREE_LINK_USAGE_PENALTY TUNING_WEIGHT_SCALE"),
)
_KINDS = {
    **{f"MXNET_{name}": kind for kind, names in _MXNET for name in names.split()},
    "NNVM_AUTO_SEARCH_MATCH_RANGE": _SWITCH,
    "NNVM_EXEC_MATCH_RANGE": _whole(0, 10_000),
    "NNVM_EXEC_NUM_TEMP": _WHOLE,
    "OMP_NUM_THREADS": _Kind(f"{_THREADS.words}, or such numbers separated by commas", _is_thread_list),
    "OMP_STACKSIZE": _stack_size(1 << 10),
    "GOMP_STACKSIZE": _stack_size(1 << 10),
    "KMP_STACKSIZE": _stack_size(1),
    "DMLC_ROLE": _one_of("worker", "server", "scheduler"),
}
#: Variables that are read even if they are empty.
_NOT_EMPTY = (
    "MXNET_ENABLE_CYTHON",
    "MXNET_ENFORCE_CYTHON",
    "MXNET_ENGINE_TYPE",
    "MXNET_GPU_MEM_POOL_TYPE",
    "MXNET_OPTIMIZER_AGGREGATION_SIZE",
    "MXNET_UPDATE_AGGREGATION_SIZE",
    "MXNET_UPDATE_ON_KVSTORE",
)
#: Variables that MXNet reads in the processes of a job, which have a DMLC_ROLE.
_OF_JOBS = {
    "DMLC_NUM_WORKER": _whole(1, 100_000),
    "DMLC_NUM_SERVER": _whole(1, 100_000),
    "DMLC_PS_ROOT_PORT": _whole(1, 65535),
    "DMLC_PS_VAN_TYPE": _one_of("zmq", "p3"),
    **dict.fromkeys(("DMLC_LOCAL", "DMLC_PS_WATER_MARK", "DMLC_RANK", "DMLC_USE_KUBERNETES"), _WHOLE),
    **dict.fromkeys(("PS_DROP_MSG", "PS_HEARTBEAT_INTERVAL", "PS_HEARTBEAT_TIMEOUT"), _WHOLE),
    **dict.fromkeys(("PS_RESEND", "PS_RESEND_TIMEOUT", "PS_VERBOSE"), _WHOLE),
}
_NEEDED_IN_JOBS = ("DMLC_PS_ROOT_URI", "DMLC_PS_ROOT_PORT", "DMLC_NUM_WORKER", "DMLC_NUM_SERVER")
_PLACES = ("MXNET_HOME", "MXNET_GLUON_REPO")  # which MXNet's import does not read
#: Prefixes of what MXNet reads, whether in a job or not.
ALWAYS_READ = ("MXNET_", "NNVM_", "OMP_", "GOMP_", "KMP_", "PYTHON")
_ALL = (*ALWAYS_READ, "DMLC_", "PS_")


def wrong_variables(prefixes=_ALL):
    """What is wrong with variables whose names begin with one of some prefixes: sentences without what to do."""
    kinds = {**_KINDS, **(_OF_JOBS if os.environ.get("DMLC_ROLE") else {})}
    wrong = []
    for name, value in sorted(os.environ.items()):
        kind = kinds.get(name.replace("_ONEDNN_", "_MKLDNN_"))
        if kind and name.startswith(prefixes) and (value or name in _NOT_EMPTY) and not kind.fits(value):
            wrong.append(f"{_in_words(name, ' is ')}; it must be {kind.words}")
    role = os.environ.get("DMLC_ROLE")
    missing = [name for name in _NEEDED_IN_JOBS if not os.environ.get(name)]
    if role in ("server", "scheduler") and missing and missing[0].startswith(prefixes):
        wrong.append(f"DMLC_ROLE is {role}, but {missing[0]}, which a process of a job needs, is not set")
    if sys.flags.optimize > 1 and "PYTHON".startswith(prefixes):
        wrong.append("PYTHONOPTIMIZE is 2, or Python's option -OO is used, but MXNet's import needs docstrings")
    return wrong


def check_variables(*prefixes):
    """InstallationError if MXNet cannot work with a variable of the environment; of some prefixes alone, if given."""
    wrong = wrong_variables(prefixes or _ALL)
    if wrong:
        raise InstallationError(f"{wrong[0]}: change or unset it.")


def thread_number():
    """The number of threads in OMP_NUM_THREADS; None if it is not set, or wrong.

    OpenMP allows a list, one number for each level of nesting. The first is the one in use.
    """
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value.split(",")[0]) if _is_thread_list(value) else None


def variables_in_words(prefixes, but=()):
    """The variables that begin with one of some prefixes, and their values; empty if there are none.

    Parameters
    ----------
    prefixes : tuple of str
    but : dict, optional
        Values by names that do not count.
    """
    not_counted = {**dict(but), **{name: os.environ.get(name) for name in _PLACES}}
    names = [name for name in sorted(os.environ) if name.startswith(prefixes)]
    return " or ".join(_in_words(name, "=") for name in names if os.environ[name] not in ("", not_counted.get(name)))


def _in_words(name, between):
    return name + between + brief(os.environ[name])
