"""Blocks and networks in other people's Gluon code: inside their networks, and in all that Gluon does to a block."""

import re

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from mxnet.gluon import nn

import gluon_cnn
from gluon_cnn import GluonCNNError, get_model, nin_block, vgg_block
from gluon_cnn.models.parameters import copied_parameters, put_parameters
from gluon_cnn.models.zoo import import_gluoncv

#: MXNet warns so about every network that it imports.
IMPORT_WARNS = pytest.mark.filterwarnings("ignore:Cannot decide type:UserWarning")
NETWORKS = ["lenet", "alexnet", "vgg11", "nin", "googlenet", "resnet18", "densenet", "lenet_bn", "nin2013"]


def network(name, **options):
    """One of our networks, which can be compiled; VGG is small enough for a test."""
    return get_model(name, hybrid=True, **({"ratio": 16} if name == "vgg11" else {}), **options)


def of_size(name, images):
    """Four images of the size that a network needs."""
    if name.startswith("lenet"):
        return images[:4]
    return mx.nd.contrib.BilinearResize2D(images[:4], height=67, width=67)


def initialized(net, X):
    net.initialize(mx.init.Xavier())
    net(X)
    return net


def own_head(body):
    """Somebody's network: ours with layers of theirs before and after it."""
    net = nn.HybridSequential(prefix="theirs_")
    with net.name_scope():
        net.add(nn.BatchNorm(), body, nn.Dense(3))
    return net


@pytest.mark.parametrize(
    "body",
    [
        lambda: nin_block(8, 5, strides=2, padding=2, hybrid=True),
        lambda: vgg_block(2, 8, hybrid=True),
        lambda: network("lenet"),
    ],
    ids=["nin_block", "vgg_block", "lenet"],
)
def test_compiled_inside_another_network_trains_the_same(body, images):
    X, y = images, mx.nd.arange(64) % 3
    net = own_head(body())
    # Parameters are numbered through the whole process, so one network takes the other's values by their order.
    compiled = own_head(body())
    initialized(net, X)
    initialized(compiled, X)
    for ours, theirs in zip(net.collect_params().values(), compiled.collect_params().values()):
        theirs.set_data(ours.data())
    before = [parameter.data().asnumpy() for parameter in net.collect_params().values()]
    compiled.hybridize(static_alloc=True, static_shape=True)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    for one in (net, compiled):
        trainer = gluon.Trainer(list(one.collect_params().values()), "sgd", {"learning_rate": 0.5})
        for _ in range(2):
            with autograd.record():
                value = loss(one(X), y)
            value.backward()
            trainer.step(len(y))
    learned = [p for p in net.collect_params().values() if p.grad_req != "null"]
    assert all(abs(parameter.grad()).sum().asscalar() > 0 for parameter in learned)
    for ours, theirs, was in zip(net.collect_params().values(), compiled.collect_params().values(), before):
        np.testing.assert_allclose(theirs.data().asnumpy(), ours.data().asnumpy(), rtol=1e-4, atol=1e-5)
        assert (ours.data().asnumpy() != was).any()


def test_nin_block_as_head_of_gluoncv_network(images):
    """GluonCV's features stay as they are, and our head learns."""
    zoo = import_gluoncv().model_zoo
    features = zoo.get_model("cifar_resnet20_v1", classes=10, pretrained=False).features[:-1]  # before its pooling
    features.collect_params().setattr("grad_req", "null")
    net = nn.HybridSequential()
    net.add(features, nin_block(3, 3, 1, 1, final_relu=False, hybrid=True), nn.GlobalAvgPool2D(), nn.Flatten())
    X, y = mx.nd.concat(images, images, images, dim=1), mx.nd.arange(64) % 3
    initialized(net, X)
    net.hybridize()
    assert net(X).shape == (64, 3)
    fixed = {name: p.data().asnumpy() for name, p in features.collect_params(".*weight").items()}
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    loss, losses = gluon.loss.SoftmaxCrossEntropyLoss(), []
    for _ in range(5):
        with autograd.record(train_mode=False):  # the features' statistics stay as well
            value = loss(net(X), y)
        value.backward()
        trainer.step(len(y))
        losses.append(value.mean().asscalar())
    assert losses[-1] < losses[0]
    for name, parameter in features.collect_params(".*weight").items():
        assert (parameter.data().asnumpy() == fixed[name]).all()


@IMPORT_WARNS
def test_gluoncv_extracts_features_from_our_network(images):
    import_gluoncv()
    from gluoncv.nn.feature import FeatureExtractor

    net = initialized(network("lenet"), images)
    # It puts the network's prefix before the names of its layers, and ours have no prefix.
    whole = nn.HybridSequential(prefix="")
    whole.add(net)
    layers = [net[1], net[3]]
    extract = FeatureExtractor(whole, [f"{layer.name}_fwd_output" for layer in layers], inputs=["data"])
    first, second = extract(images)
    np.testing.assert_allclose(first.asnumpy(), net[:2](images).asnumpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(second.asnumpy(), net[:4](images).asnumpy(), rtol=1e-5, atol=1e-6)


def test_collect_params_by_pattern():
    net = network("nin")
    weights = net.collect_params(".*weight")
    assert len(weights.keys()) == 12 == len(net.collect_params(".*bias").keys())
    assert all(re.fullmatch(r"conv\d+_weight", name) for name in weights)
    weights.setattr("lr_mult", 0.0)
    assert {p.lr_mult for p in net.collect_params(".*bias").values()} == {1.0}


@pytest.mark.parametrize("name", NETWORKS)
def test_cast_to_float16_and_back(name, images):
    """MXNet has no float16 convolution on the CPU, so rounded weights and their outputs are compared in float32."""
    X = of_size(name, images)
    net, rounded = initialized(network(name), X), network(name)
    before = net(X).asnumpy()
    values = copied_parameters(net)
    net.cast("float16")
    kinds = {key: parameter.data().dtype for key, parameter in net._collect_params_with_prefix().items()}
    normalisations = {key.rpartition(".")[0] for key in kinds if key.endswith("gamma")}  # Gluon keeps them in float32
    assert all((kind == np.float32) == (key.rpartition(".")[0] in normalisations) for key, kind in kinds.items())
    if mx.context.num_gpus():
        net.collect_params().reset_ctx(mx.gpu())
        half = net(X.astype("float16").as_in_context(mx.gpu())).asnumpy()
        np.testing.assert_allclose(half, before, atol=0.02 * abs(before).max())
        net.collect_params().reset_ctx(mx.cpu())
    net.cast("float32")
    after = net(X).asnumpy()
    assert (after != before).any()
    put_parameters(rounded, {key: value.astype(kinds[key]).astype("float32") for key, value in values.items()})
    np.testing.assert_array_equal(after, rounded(X).asnumpy())


@pytest.mark.parametrize("name", NETWORKS)
def test_gluons_summary_counts_what_ours_counts(name, images, capsys):
    X = of_size(name, images)
    net = initialized(network(name), X)
    net.summary(X)
    total = re.search(r"Total params: (\d+)", capsys.readouterr().out)
    assert int(total[1]) == gluon_cnn.summary(net, X.shape).all_parameters


@IMPORT_WARNS
@pytest.mark.parametrize("name", NETWORKS)
def test_exported_network_gives_same_outputs_in_gluon(name, images, tmp_path):
    X = of_size(name, images)
    net = initialized(network(name), X)
    net.hybridize()
    expected = net(X).asnumpy()
    net.export(str(tmp_path / name))
    imported = nn.SymbolBlock.imports(
        str(tmp_path / f"{name}-symbol.json"), ["data"], str(tmp_path / f"{name}-0000.params")
    )
    np.testing.assert_allclose(imported(X).asnumpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_load_into_a_network_with_other_names(name, images, tmp_path):
    X = of_size(name, images)
    net = initialized(network(name), X)
    net.save_parameters(str(tmp_path / "net.params"))
    other = network(name)
    assert not set(net.collect_params()) & set(other.collect_params())  # Gluon counts its layers
    other.load_parameters(str(tmp_path / "net.params"))
    np.testing.assert_array_equal(other(X).asnumpy(), net(X).asnumpy())
    theirs = nn.HybridSequential(prefix="theirs_")
    theirs.add(network(name))
    theirs[0].load_parameters(str(tmp_path / "net.params"))
    np.testing.assert_array_equal(theirs(X).asnumpy(), net(X).asnumpy())


@pytest.mark.parametrize(("name", "last"), [("lenet", ["6"]), ("nin", ["7.0", "7.1", "7.2"])])
def test_fine_tuning_for_other_classes_names_new_layers(name, last, images, tmp_path):
    X = of_size(name, images)
    net = initialized(network(name), X)
    net.save_parameters(str(tmp_path / "net.params"))
    new = network(name, num_classes=3)
    new.initialize(mx.init.Xavier())  # its shapes are still unknown
    with pytest.raises(AssertionError, match="shape incompatible"):  # Gluon can do no more
        new.load_parameters(str(tmp_path / "net.params"), allow_missing=True, ignore_extra=True)
    new.initialize(mx.init.Xavier(), force_reinit=True)
    match = gluon_cnn.load_matching(new, tmp_path / "net.params")
    assert (match.missing, match.extra) == ([], [])
    assert match.reshaped == [f"{layer}.{kind}" for layer in last for kind in ("weight", "bias")]
    assert sorted(match.loaded + match.reshaped) == sorted(net._collect_params_with_prefix())
    assert new(X).shape == (4, 3)
    ours, theirs = net._collect_params_with_prefix(), new._collect_params_with_prefix()
    assert all((ours[loaded].data() == theirs[loaded].data()).asnumpy().all() for loaded in match.loaded)


def test_matching_names_missing_and_extra_parameters(images, tmp_path):
    net = initialized(network("lenet"), images)
    net.save_parameters(str(tmp_path / "net.params"))
    body = nn.HybridSequential()
    body.add(*network("lenet")[:4], nn.Dense(120, activation="sigmoid"), nn.BatchNorm())
    body.initialize()
    match = gluon_cnn.load_matching(body, tmp_path / "net.params")
    assert match.loaded == ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"]
    assert match.missing == ["5.gamma", "5.beta", "5.running_mean", "5.running_var"]
    assert match.extra == ["5.weight", "5.bias", "6.weight", "6.bias"]
    np.testing.assert_allclose(body[:5](images).asnumpy(), net[:5](images).asnumpy(), rtol=1e-6)


def test_matching_keeps_precision_and_devices(images, tmp_path):
    net = initialized(network("lenet"), images)
    net.save_parameters(str(tmp_path / "net.params"))
    other = network("lenet")
    other.cast("float16")
    other.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    assert len(gluon_cnn.load_matching(other, tmp_path / "net.params").loaded) == 10
    for parameter, loaded in zip(net.collect_params().values(), other.collect_params().values()):
        copies = loaded.list_data()
        assert len(copies) == 2
        for copy in copies:
            np.testing.assert_array_equal(copy.asnumpy(), parameter.data().asnumpy().astype("float16"))


def test_matching_on_numpy_arrays(np_arrays, tmp_path):
    X = mx.np.random.uniform(size=(2, 1, 28, 28))
    net = initialized(network("lenet"), X)
    net.save_parameters(str(tmp_path / "net.params"))
    other = network("lenet")
    other.initialize()
    assert len(gluon_cnn.load_matching(other, tmp_path / "net.params").loaded) == 10
    np.testing.assert_array_equal(other(X).asnumpy(), net(X).asnumpy())


def test_files_that_do_not_match(images, tmp_path):
    net = initialized(network("lenet"), images)
    net.save_parameters(str(tmp_path / "net.params"))
    damaged, unnamed = tmp_path / "damaged.params", tmp_path / "list.params"
    damaged.write_bytes((tmp_path / "net.params").read_bytes()[:1000])
    mx.nd.save(str(unnamed), [mx.nd.zeros(3)])
    for path in (damaged, unnamed):
        with pytest.raises(GluonCNNError, match=rf"{path.name} holds no parameters of a network"):
            gluon_cnn.load_matching(net, path)
    dense = nn.Dense(2, in_units=3)
    dense.initialize()
    with pytest.raises(GluonCNNError, match=r"No parameter in .*net\.params fits"):
        gluon_cnn.load_matching(dense, tmp_path / "net.params")
    with pytest.raises(GluonCNNError, match=r"The network is not initialised: call its initialize\(\)"):
        gluon_cnn.load_matching(network("lenet"), tmp_path / "net.params")
