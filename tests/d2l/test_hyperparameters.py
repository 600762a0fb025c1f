"""Arguments that objects keep, and methods that classes get later."""

import pytest
from mxnet.gluon import nn

from gluon_cnn import GluonCNNError, HyperParameters, Module, add_to_class


class Kept(HyperParameters):
    def __init__(self, a, b=2, *rest, c=3, _d=4, ignore=(), **more):
        self.save_hyperparameters(ignore)


@pytest.mark.parametrize(
    ("ignore", "expected"),
    [
        ((), {"a", "b", "rest", "c", "ignore", "more"}),
        (["a", "c"], {"b", "rest", "ignore", "more"}),
        ("rest", {"a", "b", "c", "ignore", "more"}),
        ({"a", "no argument"}, {"b", "rest", "c", "ignore", "more"}),
    ],
)
def test_arguments_are_kept_but_those_ignored(ignore, expected):
    kept = Kept(1, ignore=ignore, e=5)
    assert set(kept.hparams) == set(vars(kept)) - {"hparams"} == expected
    assert all(getattr(kept, name) is kept.hparams[name] for name in expected)


def test_a_subclass_keeps_its_own_too():
    class Wider(Kept):
        def __init__(this, width, a):
            super().__init__(a)
            this.save_hyperparameters()

    wider = Wider(7, 1)
    assert wider.hparams == {"width": 7, "a": 1}
    assert (wider.b, wider.c) == (2, 3)


def test_a_module_keeps_blocks_as_children():
    class Model(Module):
        def __init__(self, encoder, lr):
            super().__init__()
            self.save_hyperparameters()

    model = Model(nn.Dense(3), 0.1)
    assert len(model.collect_params().keys()) == 2
    assert (model.plot_train_per_epoch, model.plot_valid_per_epoch, model.lr) == (2, 1, 0.1)


def test_save_hyperparameters_outside_a_method_is_refused():
    code = "kept.save_hyperparameters()"
    with pytest.raises(GluonCNNError, match="call it in __init__"):
        exec(code, {"kept": Kept(1)})


def test_argument_with_a_propertys_name_is_refused():
    class Named(Module):
        def __init__(self, name):
            super().__init__()
            self.save_hyperparameters()

    with pytest.raises(GluonCNNError, match="Named has a property name of its own"):
        Named("net")


def test_added_methods_reach_objects_and_subclasses():
    class A:
        pass

    class B(A):
        pass

    a, b = A(), B()

    @add_to_class(A)
    def double(self, x):
        return 2 * x

    assert a.double(3) == b.double(3) == double(None, 3) == 6

    @add_to_class(B)
    def double(self, x):
        return 3 * x

    assert (a.double(3), b.double(3)) == (6, 9)


@pytest.mark.parametrize(("target", "function"), [(Kept(1), len), (None, len), ("Kept", len), (Kept, 3), (Kept, None)])
def test_what_cannot_be_added_is_refused(target, function):
    with pytest.raises(GluonCNNError, match=r"is no class|has no name"):
        add_to_class(target)(function)
