import re
import shutil

import pytest

from gluon_cnn.book import published_runs
from gluon_cnn.cli import main
from gluon_cnn.training import Run, get_recipe

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A directory with published runs as ours, the last of each network not finished, and one of another recipe."""
    directory = tmp_path_factory.mktemp("report")
    kinds = [("lenet", "book"), ("lenet", "seed"), ("nin", "book")]
    recipes = [get_recipe(model, seed=seed, init=init) for model, init in kinds for seed in range(3)]
    for recipe in [*recipes, get_recipe("nin", resize=96, seed=5, final_relu=False)]:
        number = 3 * (recipe.init == "seed") + recipe.seed
        run = Run(directory / f"{recipe.model}-{recipe.init}" / str(recipe.seed), recipe, {})
        run.directory.mkdir(parents=True)
        run.write_config(f"gluon-cnn train {recipe.model} --seed {recipe.seed} --init {recipe.init}", 2)
        history = published_runs(recipe.model, "zh-v1")[number].history[: 3 if recipe.seed == 2 else 5]
        run.write_history([r._replace(examples_per_sec=1000.0, dead_classes=recipe.seed) for r in history])
    # As a process leaves it that has just begun.
    begun = Run(directory / "begun", get_recipe("nin", seed=9), {})
    begun.directory.mkdir()
    begun.write_config("gluon-cnn train nin --seed 9", 2)
    assert main(["report", str(directory)]) == 0
    return directory


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_says_what_was_run_on_what_and_how_it_compares(runs, name):
    text = (runs / name).read_text(encoding="utf-8")
    assert text.count("gluon-cnn train ") == 10
    assert "gluon-cnn train lenet --seed 1 --init seed" in text
    assert "mxnet 1.9.1" in text
    assert re.search(r"\d+ cores", text)
    assert "2 of 2 runs inside the published range throughout" in text
    assert "1 of 3 runs not finished" in text
    assert "initial weights of their own" in text
    assert "Tesla M60" in text
    assert "3 of 5" in text
    assert "so far (epoch 3 of 5) inside the published range at every epoch" in text
    assert "Compared with nothing" in text
    assert "resize 96, not 224" in text
    assert "final_relu False, not True" in text


def test_markdown_tables_have_as_many_cells_in_each_row(runs):
    for table in re.findall(r"(?:^\|.*\n)+", (runs / "report.md").read_text(encoding="utf-8"), re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_page_needs_nothing_from_elsewhere(runs):
    html = (runs / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)
    assert "@import" not in html
    assert "url(http" not in html
    names = re.findall(r'\bid="([^"]*)"', html)
    assert len(names) == len(set(names))


def test_what_a_run_says_of_itself_is_text_not_markup(tmp_path):
    run = Run(tmp_path / "run", get_recipe("lenet"), {})
    run.directory.mkdir()
    run.write_config("gluon-cnn train <script>alert(1)</script> | `a`\nb", 2)
    run.write_history([r._replace(examples_per_sec=1.0) for r in published_runs("lenet", "zh-v1")[0].history])
    assert main(["report", str(tmp_path)]) == 0
    assert "<script>" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)</script> \\| 'a' b` |\n" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_run_whose_loss_was_not_finite_is_told(tmp_path):
    run = Run(tmp_path / "run", get_recipe("lenet"), {})
    run.directory.mkdir()
    run.write_config("gluon-cnn train lenet", 2)
    run.write_history([r._replace(examples_per_sec=1.0) for r in published_runs("lenet", "zh-v1")[0].history[:2]])
    run.note_divergence("The loss is no longer finite in epoch 3, step 7")
    assert main(["report", str(tmp_path)]) == 0
    for name in ("report.html", "report.md"):
        assert "no longer finite in epoch 3, step 7" in (tmp_path / name).read_text(encoding="utf-8")


def test_bad_directories(runs, tmp_path, fails):
    assert "no run that has finished an epoch" in fails("report", tmp_path)
    assert "is no directory" in fails("report", tmp_path / "nowhere")
    shutil.copytree(runs, tmp_path / "broken")
    (tmp_path / "broken" / "lenet-book" / "1" / "config.json").write_text("{")
    (tmp_path / "broken" / "report.html").unlink()
    assert "lenet-book/1/config.json cannot be read" in fails("report", tmp_path / "broken")
    assert not (tmp_path / "broken" / "report.html").exists()


@pytest.fixture(scope="module")
def browser():
    if not (CHROMIUM and DRIVER):
        pytest.skip("there is no chromium with its chromedriver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


FIGURES = """
return [...document.querySelectorAll('.figures svg')].map(svg => {
  const box = svg.getBoundingClientRect();
  const words = [...svg.querySelectorAll('text')];
  const inside = words.every(word => {
    const b = word.getBoundingClientRect();
    return b.left >= box.left - 1 && b.right <= box.right + 1 && b.top >= box.top - 1 && b.bottom <= box.bottom + 1;
  });
  const lines = [...svg.querySelectorAll('path')].filter(path => path.getBoundingClientRect().width > 20);
  return {width: box.width, height: box.height, words: words.length, inside: inside, lines: lines.length,
          ink: getComputedStyle(words[0]).fill, size: Math.min(...words.map(w => w.getBoundingClientRect().height))};
});
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_in_a_browser(runs, browser, width, scheme):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    browser.get((runs / "report.html").as_uri())
    figures = browser.execute_script(FIGURES)
    assert len(figures) == 8  # three measures and the finals, of two networks
    text, ground = browser.execute_script(
        "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
    )
    brightness = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in (text, ground)]
    assert (brightness[0] > brightness[1] + 400) if scheme == "dark" else (brightness[1] > brightness[0] + 400)
    for figure in figures:
        assert figure["width"] > 200
        assert figure["height"] > 150
        assert figure["words"] > 8
        assert figure["lines"] >= 2
        assert figure["inside"]
        assert figure["size"] >= 8
        assert figure["ink"] == text
    wide, seen = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= seen == width
    # What is wider than the page, such as a table on a phone, can be scrolled by itself.
    overflowing = browser.execute_script(
        """return [...document.body.querySelectorAll('*')]
             .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.table'))
             .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert overflowing == []
    assert browser.get_log("browser") == []
