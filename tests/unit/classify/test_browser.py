"""The page in a real browser, as a file and from the server.

Needs playwright and Debian's chromium; with EQUIMORPH_AXE, the path of axe-core's axe.min.js, the
page's accessibility is checked by it, too.
"""

import base64
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.app.running import running
from tests.unit.classify.conftest import CLASSES, TEST

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

# Drops a file as a user does: the page sees the events and what they carry.
DROP = """
([selector, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], "galaxy.png", { type: "image/png" }));
  for (const kind of ["dragenter", "dragover", "drop"])
    document.querySelector(selector).dispatchEvent(
      new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: carried }));
}
"""
# Of each text its contrast with the background that it stands on (WCAG 2.2, 1.4.3), and of each
# control its name.
LOOK = """
() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => {
    const [r, g, b] = parts(text).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const contrasts = [...document.querySelectorAll("main *")]
    .filter((node) => [...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .filter((node) => node.offsetParent)
    .map((node) => {
      const pair = [light(getComputedStyle(node).color), light(ground(node))].sort((a, b) => b - a);
      return (pair[0] + 0.05) / (pair[1] + 0.05);
    });
  const nameless = [...document.querySelectorAll("button, input, canvas")]
    .filter((node) => node.type !== "hidden")
    .filter((node) => !(node.labels?.length || node.ariaLabel || node.textContent.trim()))
    .map((node) => node.outerHTML);
  return { least: Math.min(...contrasts), texts: contrasts.length, nameless };
}
"""


@pytest.fixture(params=["file", "server"])
def address(request, page, classifier):
    """Where the page is."""
    if request.param == "file":
        yield page[0].as_uri()
    else:
        with running(classifier, page[0].read_text(encoding="utf-8")) as url:
            yield url


@pytest.fixture
def tab(address):
    """The page in a window of a telephone's width; at the end nothing may stand in the console."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    said = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 390, "height": 900})
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(address)
        yield tab
        browser.close()
    assert said == []


@pytest.fixture
def galaxy(study, tmp_path) -> Path:
    """An image that no training saw."""
    path = tmp_path / "galaxy.png"
    Image.fromarray(study.images[TEST[3]]).save(path)
    return path


def bars(tab, key: str) -> np.ndarray:
    """Return the probabilities that are shown of a network."""
    cells = [tab.get_attribute(f"#{key}-{n}", "data-value") for n in range(len(CLASSES))]
    return np.array([float(cell) for cell in cells])


def test_a_dropped_image_is_answered_as_python_does(tab, galaxy, classifier):
    (expected,) = classifier.predict(galaxy)
    tab.evaluate(DROP, ["#drop", base64.b64encode(galaxy.read_bytes()).decode()])
    tab.locator("#status").filter(has_text="Answered").wait_for()
    assert bars(tab, "main") == pytest.approx([*expected.probabilities.values()], abs=1e-5)


def test_at_quarter_turns_the_equivariant_bars_stay_and_the_plain_ones_move(tab, galaxy):
    """Turned by the keyboard alone."""
    tab.set_input_files("#choose", galaxy)
    tab.locator("#status").filter(has_text="Answered").wait_for()
    upright = {key: bars(tab, key) for key in ("main", "plain")}
    tab.focus("#angle")
    largest = dict.fromkeys(upright, 0.0)
    for angle in (90, 180, 270):
        for _ in range(90 // 5):
            tab.keyboard.press("ArrowRight")
        tab.locator("#turned").filter(has_text=f"{angle}°").wait_for()
        for key, before in upright.items():
            largest[key] = max(largest[key], np.abs(bars(tab, key) - before).max())
    assert largest["main"] < 1e-3 < largest["plain"]


def test_an_example_is_answered_by_keyboard_and_certified(tab):
    tab.locator("[data-example='1']").press("Enter")
    tab.locator("#status").filter(has_text=f"{CLASSES[1]}:").wait_for()
    tab.locator("#certificate").filter(has_text="over 16 turns").wait_for()


def test_it_can_be_read_and_named(tab, galaxy):
    tab.set_input_files("#choose", galaxy)
    tab.locator("#status").filter(has_text="Answered").wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    look = tab.evaluate(LOOK)
    assert look["texts"] > 20 and look["least"] >= 4.5 and look["nameless"] == []
    if axe := os.environ.get("EQUIMORPH_AXE"):
        tab.evaluate(Path(axe).read_text(encoding="utf-8"))
        found = tab.evaluate("axe.run(document)")
        assert found["passes"]
        assert [(one["id"], one["help"]) for one in found["violations"]] == []
