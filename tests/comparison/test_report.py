import re
import shutil

import pytest
from our_runs import published_history, write_made_up_answers, write_run

from gluon_cnn.cli import main
from gluon_cnn.comparison.report import write_report

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A directory with published runs as ours, the last of each network not finished, and one of another recipe."""
    directory = tmp_path_factory.mktemp("report")
    kinds = [("lenet", "published"), ("lenet", "own"), ("nin", "published")]
    changes = [(model, {"seed": seed, "init": init}) for model, init in kinds for seed in range(3)]
    changes = [(model, {"release": "second", **changed}) for model, changed in changes]
    for model, changed in [*changes, ("nin", {"side": 96, "seed": 5, "final_relu": False, "init": "own"})]:
        seed, init = changed["seed"], changed["init"]
        history = published_history(model, 3 * (init == "own") + seed, epochs=3 if seed == 2 else 5, dead_classes=seed)
        command = f"gluon-cnn train {model} --seed {seed} --init {init}"
        run = write_run(directory / f"{model}-{init}" / str(seed), history, model, command=command, **changed)
        if init == "own":
            write_made_up_answers(run)
    # As a process leaves it that has just begun.
    write_run(directory / "begun", [], "nin", seed=9, command="gluon-cnn train nin --seed 9")
    write_report(directory)
    return directory


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_says_what_ran_and_how_it_compares(runs, name):
    text = (runs / name).read_text(encoding="utf-8")
    assert text.count("gluon-cnn train ") == 10
    assert "gluon-cnn train lenet --seed 1 --init own" in text
    assert "mxnet 1.9.1" in text
    assert re.search(r"\d+ cores", text)
    assert "2 of 2 runs inside the published range at every epoch" in text
    assert "1 of 3 runs not finished" in text
    assert "From own initial weights, second release" in text
    assert "Data: the second release of Fashion-MNIST; the published runs had the first" in text
    assert "Tesla M60" in text
    assert "3 of 5" in text
    assert "so far (epoch 3 of 5) inside the published range at every epoch" in text
    assert "Not compared" in text
    assert "96 pixels instead of 224" in text
    assert "final_relu off" in text


def test_markdown_rows_have_as_many_cells(runs):
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


def test_a_runs_own_words_are_no_markup(tmp_path):
    run = write_run(tmp_path / "run", published_history(), command="gluon-cnn train <script>alert(1)</script> | `a`\nb")
    write_report(tmp_path)
    html, markdown = ((tmp_path / f"report.{ending}").read_text(encoding="utf-8") for ending in ("html", "md"))
    assert "<script>" not in html
    assert "<script>alert(1)</script> \\| 'a' b` |\n" in markdown
    # And a loss that is no longer finite is told in place of the verdict.
    run.note_divergence("The loss is no longer finite in epoch 6, step 7")
    write_report(tmp_path)
    for name in ("report.html", "report.md"):
        assert "no longer finite in epoch 6, step 7" in (tmp_path / name).read_text(encoding="utf-8")


def test_bad_directories(runs, tmp_path, fails):
    assert "no run that has finished an epoch" in fails("report", tmp_path)
    assert "is not a directory" in fails("report", tmp_path / "nowhere")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{")
    assert "run/config.json cannot be read" in fails("report", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_runs_beside_bad_ones_are_shown(runs, tmp_path, capsys):
    directory = shutil.copytree(runs, tmp_path / "runs")
    (directory / "lenet-published" / "1" / "config.json").write_text("{")
    (directory / "nin-published" / "0" / "history.csv").write_text("epoch\n1\n")
    (directory / "report.html").unlink()
    assert main(["report", str(directory)]) == 1
    printed = capsys.readouterr()
    first, second = printed.err.splitlines()
    assert first.startswith(f"gluon-cnn: {directory}/lenet-published/1/config.json cannot be read as a run's settings")
    assert second.startswith(f"gluon-cnn: {directory}/nin-published/0/history.csv cannot be read as a run's history")
    assert printed.out.splitlines()[-2:] == [f"{directory}/report.html", f"{directory}/report.md"]
    for name in ("report.html", "report.md"):
        text = (directory / name).read_text(encoding="utf-8")
        assert text.count("gluon-cnn train ") == 8
        assert text.count("cannot be read as a run") == 2


def test_command_need_not_be_unicode(tmp_path):
    write_run(tmp_path / "run", published_history(), command="gluon-cnn train lenet --out '\udcff'")
    write_report(tmp_path)
    for name in ("report.html", "report.md"):
        assert "\\udcff" in (tmp_path / name).read_text(encoding="utf-8")


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
def test_page_fits_a_browser_of_any_size(runs, browser, width, scheme):
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
