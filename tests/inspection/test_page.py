"""The page about what a network has learned: what it holds, of which networks, and what is refused."""

import functools
import re
import shutil

import mxnet as mx
import numpy as np
import pytest
from looked_at import inputs, part, small_network
from mxnet.gluon import nn

from gluon_cnn import get_model
from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.data.inputs import Inputs
from gluon_cnn.errors import DataError, ModelError, SettingError
from gluon_cnn.inspection.page import write_page
from gluon_cnn.training.initial_weights import initialize_from_seed


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The page of a small network with a dead channel, and its text."""
    out = tmp_path_factory.mktemp("page") / "deep" / "er"
    about = [("run", "runs/<i>one</i>")]
    files = write_page(
        small_network(), inputs(), part(), out, title="small", about=about, untrained=small_network(), quiet=True
    )
    return files, (out / "inspection.html").read_text(encoding="utf-8")


def test_page_has_its_figures_beside_it(small):
    files, text = small
    assert files[0].name == "inspection.html"
    assert {path.name for path in files} == {path.name for path in files[0].parent.iterdir()}
    names = {path.stem for path in files[1:]}
    assert {"confusion", "trust", "filters", "norms", "excites-0", "maps-1", "reasons-1", "edges"} <= names
    assert text.count("<svg ") == len(names)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files[1:])


def test_page_says_what_was_found(small):
    _, text = small
    assert "What small has learned" in text
    assert "runs/&lt;i&gt;one&lt;/i&gt;" in text
    assert "40 images, " in text
    assert "1 channel of 8 is dead" in text
    assert '<td class="number">1: 2</td>' in text
    for word in ("Where it errs", "Filters", "What excites a channel", "A picture&#39;s way", "Edges or not"):
        assert word in text
    assert "has no layer that is a map for each class" in text


def test_page_needs_nothing_from_elsewhere(small):
    _, text = small
    assert "<script" not in text
    assert "<b>emu" not in text
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert "@import" not in text
    assert "url(http" not in text
    names = re.findall(r'\bid="([^"]*)"', text)
    assert len(names) == len(set(names))
    assert "prefers-color-scheme: dark" in text


def test_chosen_layers_channels_classes_and_pictures(tmp_path):
    own = [("mine & yours.png", part(1).images[0])]
    files = write_page(
        small_network(),
        inputs(),
        part(),
        tmp_path,
        layers=["1", "0"],
        channels=[3, 1],
        classes=["DOG", 3],
        images=10,
        pictures=own,
        quiet=True,
    )
    text = files[0].read_text(encoding="utf-8")
    assert "10 images, " in text
    assert "mine &amp; yours.png" in text
    assert text.count(">channel 3, of ") == text.count(">channel 1, of ") == 2
    assert ">for dog, " in text
    assert ">for &lt;b&gt;emu&lt;/b&gt;, " in text
    assert "maps-2.png" not in {path.name for path in files}
    assert "the network that training began with is not known" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ["9"]}, "has no layer '9'"),
        ({"layers": ["0"], "channels": [4]}, "no channel 4 in layer 0, which has 4, from 0 to 3"),
        ({"channels": [400]}, "no channel 400 in layer"),
        ({"channels": [-1]}, "channels is -1"),
        ({"channels": []}, "channels is empty"),
        ({"classes": ["horse"]}, "no class 'horse'; use a number from 0 to 3, or one of cat, dog"),
        ({"classes": [4]}, "no class 4"),
        ({"images": 0}, "images is 0"),
        ({"images": 41}, "images is 41, but there are only 40 test images"),
    ],
)
def test_what_is_not_there_is_refused(options, message, tmp_path):
    with pytest.raises((SettingError, ModelError), match=message):
        write_page(small_network(), inputs(), part(), tmp_path / "out", quiet=True, **options)
    assert not (tmp_path / "out").exists()


def test_directory_and_data_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "in"):
        with pytest.raises(SettingError, match="file is not a directory"):
            write_page(small_network(), inputs(), part(), out, quiet=True)
    with pytest.raises(DataError, match="There are no test images"):
        write_page(small_network(), inputs(), part(0), tmp_path / "out", quiet=True)
    with pytest.raises(DataError, match="the network has 4 classes"):
        write_page(small_network(), inputs(), part(classes=7), tmp_path / "out", quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_networks_that_cannot_be_looked_into(tmp_path):
    class Closed(nn.Block):
        def forward(self, x):
            return x.reshape((0, -1))[:, :4]

    with pytest.raises(ModelError, match="has no layers inside"):
        write_page(Closed(), inputs(), part(), tmp_path / "out", quiet=True)
    with pytest.raises(ModelError, match="no values yet"):
        write_page(get_model("lenet"), inputs(28), part(4, 28), tmp_path / "out", quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_layer_of_any_name_stays_in_the_directory(tmp_path):
    net = small_network()
    net._children["../../a b"] = net._children.pop("2")
    write_page(net, inputs(), part(), tmp_path / "in" / "out", images=1, layers=["../../a b"], quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert (tmp_path / "in" / "out" / "excites-.._.._a_b.png").exists()


class Own(nn.Block):
    """Somebody's network: it computes on arrays, so that it cannot be traced, and has small filters."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2D(6, 3, activation="relu")
        self.middle = nn.Dense(5, activation="tanh")
        self.output = nn.Dense(4)

    def forward(self, x):
        x = self.features(x)
        return self.output(self.middle(mx.nd.array(x.asnumpy()[:, :, ::2, ::2])))


def test_somebodys_network_is_shown_without_what_is_unknown(tmp_path):
    net = Own()
    net.initialize()
    net(mx.nd.zeros((1, 1, 12, 12)))
    files = write_page(net, inputs(), part(), tmp_path, untrained=net, quiet=True)
    text = files[0].read_text(encoding="utf-8")
    assert "What the positions of layers see is left out: whole images are shown." in text
    assert f"What the layers of {net.name} see is not known" in text
    assert "excites-features.png" in {path.name for path in files}
    assert "A filter of 3×3 is too small to be compared with a Gabor" in text
    assert f"Without Grad-CAM: The output of {net.name} does not depend on its layer features" in text


def test_weights_that_are_not_finite_are_refused(tmp_path):
    net = small_network()
    weights = net[0].weight.data()
    weights[1, 0, 2, 2] = float("nan")
    net[0].weight.set_data(weights)
    assert np.isfinite(net(mx.nd.ones((1, 1, 12, 12))).asnumpy()).all()  # because max pooling passes over them
    with pytest.raises(ModelError, match="weight has numbers that are not finite: take a checkpoint before"):
        write_page(net, inputs(), part(), tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


class Mean(nn.HybridBlock):
    """A layer of one's own: the means of four rows."""

    def hybrid_forward(self, F, x):
        return F.mean(x, axis=(1, 3))[:, :4]


def test_network_without_weights(tmp_path):
    net = nn.HybridSequential()
    net.add(Mean())
    files = write_page(net, inputs(), part(), tmp_path, images=8, quiet=True)
    text = files[0].read_text(encoding="utf-8")
    assert "has no convolution or dense layer, so it has no strengths" in text
    assert "has no convolution, so it has no filters" in text


def test_lenet_of_three_channels(tmp_path):
    net = get_model("lenet", hybrid=True, num_classes=4)
    initialize_from_seed(net, 0, (1, 3, 28, 28))
    net.hybridize()
    files = write_page(net, inputs(28, 3), part(12, 28, 3), tmp_path, layers=["0"], quiet=True)
    text = files[0].read_text(encoding="utf-8")
    assert "Grey is a weight of 0" in text
    assert "sees 5×5 of 28×28 pixels" in text


def test_zoo_network(tmp_path):
    net = get_model("gluoncv:cifar_resnet20_v1")
    initialize_from_seed(net, 0, (1, 1, 32, 32))
    dataset = read_fashion_mnist(SAMPLE)
    files = write_page(net, Inputs(dataset.info, 32), dataset.test, tmp_path, images=40, quiet=True)
    text = files[0].read_text(encoding="utf-8")
    assert {"excites-1.features.1.png", "excites-1.output.png"} <= {path.name for path in files}
    assert "sees 3×3 of 32×32 pixels" in text
    assert "sum over its 3 channels" in text


def test_numpy_arrays_give_the_page(tmp_path, np_arrays):
    net = get_model("lenet", hybrid=True)
    initialize_from_seed(net, 0, (1, 1, 28, 28))
    dataset = read_fashion_mnist(SAMPLE)
    files = write_page(net, Inputs(dataset.info, 28), dataset.test, tmp_path, layers=["0"], images=12, quiet=True)
    assert "sees 5×5 of 28×28 pixels" in files[0].read_text(encoding="utf-8")


def test_page_is_written_whole_or_not(tmp_path, monkeypatch):
    from gluon_cnn.inspection import page

    def full(path):
        raise OSError(28, "No space left on device", str(path))

    write_page(small_network(), inputs(), part(), tmp_path, layers=["0"], images=4, quiet=True)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(page, "write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        write_page(small_network(), inputs(), part(), tmp_path, layers=["0"], images=8, quiet=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_earlier_pages_figures_do_not_stay(tmp_path):
    mine = {"maps-7.png", "excites-mine.png", "edges-of-mine.png"}
    for name in mine:
        (tmp_path / name).write_bytes(b"mine")
    own = [(f"{number}.png", part(1).images[0]) for number in range(2)]
    write = functools.partial(write_page, small_network(), inputs(), part(), tmp_path, quiet=True)
    write(layers=["0", "1"], images=4, pictures=own)
    first = {path.name for path in tmp_path.iterdir()}
    files = write(layers=["0"], images=4, pictures=own[:1])
    assert {"excites-1.png", "maps-2.png", "reasons-2.png"} <= first - {path.name for path in files}
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in files} | mine


@pytest.fixture(scope="module")
def browser():
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("there is no chromium with its chromedriver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield driver
    driver.quit()


LOOK = """
const words = [...document.querySelectorAll('svg text')];
return {wide: document.documentElement.scrollWidth - innerWidth, ink: getComputedStyle(words[0]).fill,
        small: Math.min(...words.map(w => w.getBoundingClientRect().height).filter(h => h > 0)),
        figures: [...document.querySelectorAll('.figures svg')].map(svg => svg.getBoundingClientRect().width)};
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_page_fits_a_browser_of_any_size(small, browser, width, scheme):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    browser.get(small[0][0].as_uri())
    seen = browser.execute_script(LOOK)
    assert seen["wide"] <= 0
    assert seen["small"] >= 9
    assert min(seen["figures"]) > 300
    assert np.mean([int(n) for n in re.findall(r"\d+", seen["ink"])[:3]]) == pytest.approx(
        {"light": 33, "dark": 233}[scheme], abs=10
    )
