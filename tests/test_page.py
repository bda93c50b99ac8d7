"""The comparison's page in a real browser: pictures, slider, zoom, maps, keyboard, and no network."""

import base64
import importlib.util
import io
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import smooth_image
from PIL import Image

from ssdn_keras.data.images import list_images, save_image
from ssdn_keras.data.read import read_image
from ssdn_keras.evaluation import metrics, protocol
from ssdn_keras.evaluation.run import picture_path
from ssdn_keras.noise import parse_noise
from ssdn_keras.reproduction import page
from ssdn_keras.reproduction.results import Outcome
from ssdn_keras.reproduction.rows import ROWS

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine: apt install chromium"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
]
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--disable-quic"]  # fmt: skip


class Comparison:
    """As much of a comparison as the page needs: two images, two methods, one of them with standard deviations."""

    page_megabytes = 50
    spec = parse_noise("gauss25")

    def __init__(self, out):
        self.out = out
        self.settings = SimpleNamespace(noise="gauss25", limit=None, channels=3, seed=0)
        for index, name in enumerate(("one.png", 'it\'s <two> & "three".png')):
            (out / "set").mkdir(exist_ok=True)
            Image.fromarray(smooth_image(index, 40, 56)).save(out / "set" / name)
        self.sets = [SimpleNamespace(name="set", folder=out / "set", paths=lambda: list_images(out / "set"))]

    def folder(self, row):
        return self.out / row.name

    def outcomes(self):
        outcomes = [Outcome(ROWS[name]) for name in ("nlm", "ssdn_known")]
        for index, path in enumerate(self.sets[0].paths()):
            clean = read_image(path, 3)
            for shift, outcome in enumerate(outcomes, 1):
                picture = np.clip(clean.astype(int) + shift * 5, 0, 255).astype(np.uint8)
                folder = self.folder(outcome.row) / "images" / "set"
                save_made(picture_path(folder, path.name, "denoised"), picture)
                if outcome.row.name == "ssdn_known":
                    save_made(picture_path(folder, path.name, "std"), np.full((*clean.shape[:2], 1), 77, np.uint8))
                row = {"psnr_noisy": 20.0, "ssim_noisy": float("nan")}
                row.update(psnr_denoised=30.0 + index + shift, ssim_denoised=0.9)
                outcome.per_image["set", path.name] = row
        return outcomes


def save_made(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_image(path, picture)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("page")
    comparison = Comparison(out)
    header, lines = ["method", "level known", "set dB"], [["NLM", "yes", "30.00"], ["SSDN", "yes", "31.00"]]
    page.write(comparison, comparison.outcomes(), header, lines, ["a note with <b>"], {})
    return comparison


@pytest.fixture
def browser_page(made):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        opened = browser.new_page(viewport={"width": 1000, "height": 1300})
        opened.problems, opened.requests = [], []
        opened.on("pageerror", lambda error: opened.problems.append(str(error)))
        opened.on("console", lambda message: message.type == "error" and opened.problems.append(message.text))
        opened.on("request", lambda request: opened.requests.append(request.url))
        opened.goto((made.out / "index.html").as_uri())
        settle(opened)
        yield opened
        assert not opened.problems
        assert all(url.startswith(("file:", "data:")) for url in opened.requests), "the page must need no network"
        browser.close()


def settle(opened):
    """Wait until what is drawn is the newest."""
    opened.wait_for_function("() => Number(document.getElementById('canvas').dataset.drawn) === serial")


def shot(opened):
    """The canvas as H×W×3."""
    settle(opened)
    uri = opened.evaluate("document.getElementById('canvas').toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB"))


def first_image(made):
    path = made.sets[0].paths()[0]
    clean = read_image(path, 3)
    test_image = protocol.corrupt(clean, made.spec, 0, 0, 0)
    return clean, metrics.to_uint8(test_image.crop(test_image.noisy))


def at_zoom(opened, zoom):
    opened.locator("#canvas").focus()
    opened.evaluate(f"zoomTo({zoom})")
    settle(opened)
    assert opened.locator("#zoom").text_content() == f"{zoom}×"


def under(opened, drawn, x, y, zoom):
    """Colour in the middle of picture pixel (x, y)."""
    x0, y0 = opened.evaluate("origin()")
    return drawn[int(y0 + (y + 0.5) * zoom), int(x0 + (x + 0.5) * zoom)]


def test_left_and_right_of_the_line_are_the_chosen_methods_pixel_by_pixel(made, browser_page):
    clean, noisy = first_image(made)
    at_zoom(browser_page, 32)
    drawn = shot(browser_page)
    centre_x, centre_y = clean.shape[1] // 2, clean.shape[0] // 2
    for offset in (-8, -3, 3, 8):
        expected = noisy if offset < 0 else np.clip(clean.astype(int) + 10, 0, 255)
        x = centre_x + offset
        np.testing.assert_array_equal(under(browser_page, drawn, x, centre_y, 32), expected[centre_y, x])
    browser_page.select_option("#left", "clean")
    browser_page.select_option("#right", "nlm")
    drawn = shot(browser_page)
    np.testing.assert_array_equal(under(browser_page, drawn, centre_x - 4, centre_y, 32), clean[centre_y, centre_x - 4])
    assert "Non-local means 31.00 dB" in browser_page.locator("#tag-right").text_content()
    assert browser_page.locator("#tag-left").text_content() == "Clean"


def test_the_slider_moves_by_keyboard_and_by_mouse(made, browser_page):
    before = shot(browser_page)
    browser_page.locator("#split").focus()
    for _ in range(3):
        browser_page.keyboard.press("PageUp")
    after = shot(browser_page)
    line = [int(np.flatnonzero((image == 255).all(axis=(0, 2)))[0]) for image in (before, after)]
    assert line[1] > line[0] + 100
    box = browser_page.locator("#canvas").bounding_box()
    scale = box["width"] / after.shape[1]
    browser_page.mouse.move(box["x"] + (line[1] + 1) * scale, box["y"] + 50)
    browser_page.mouse.down()
    browser_page.mouse.move(box["x"] + 100, box["y"] + 60)
    browser_page.mouse.up()
    moved = int(np.flatnonzero((shot(browser_page) == 255).all(axis=(0, 2)))[0])
    assert abs(moved * scale - 100) < 4


def test_error_and_standard_deviation_maps(made, browser_page):
    clean, noisy = first_image(made)
    at_zoom(browser_page, 16)
    browser_page.keyboard.press("e")
    drawn = shot(browser_page)
    x, y = clean.shape[1] // 2, clean.shape[0] // 2
    expected = min(255, np.abs(noisy[y, x - 5].astype(int) - clean[y, x - 5]).mean() * 8)
    assert under(browser_page, drawn, x - 5, y, 16)[0] == pytest.approx(expected, abs=1)
    assert under(browser_page, drawn, x + 5, y, 16)[0] == 80
    browser_page.keyboard.press("s")
    drawn = shot(browser_page)
    assert (under(browser_page, drawn, x + 5, y, 16) == 77).all()
    assert (under(browser_page, drawn, x - 5, y, 16) != 77).any()


def test_zoom_keys_double_and_halve(browser_page):
    browser_page.locator("#canvas").focus()
    shown = []
    for key in "+--0":
        browser_page.keyboard.press(key)
        settle(browser_page)
        shown.append(browser_page.locator("#zoom").text_content())
    assert shown == ["32×", "16×", "8×", "fit"]


def test_images_change_and_their_names_are_shown_as_they_are(made, browser_page):
    names = [path.name for path in made.sets[0].paths()]
    assert browser_page.locator("#image option").all_text_contents() == names
    assert browser_page.locator("optgroup").get_attribute("label") == "set"
    before = shot(browser_page)
    assert browser_page.locator("#tag-right").text_content() == "SSDN, known 32.00 dB, SSIM 0.900"
    browser_page.click("#next")
    assert (shot(browser_page) != before).any()
    assert browser_page.locator("#tag-right").text_content() == "SSDN, known 33.00 dB, SSIM 0.900"
    browser_page.locator("#canvas").focus()
    browser_page.keyboard.press("[")
    np.testing.assert_array_equal(shot(browser_page), before)
    assert browser_page.locator(".notes li").text_content() == "a note with <b>"


def test_dragging_and_arrow_keys_move_a_zoomed_picture(made, browser_page):
    at_zoom(browser_page, 32)
    start = browser_page.evaluate("origin()")
    browser_page.keyboard.press("ArrowRight")
    settle(browser_page)
    assert browser_page.evaluate("origin()")[0] == start[0] - 40
    box = browser_page.locator("#canvas").bounding_box()
    browser_page.mouse.move(box["x"] + 200, box["y"] + 200)
    browser_page.mouse.down()
    browser_page.mouse.move(box["x"] + 260, box["y"] + 200)
    browser_page.mouse.up()
    settle(browser_page)
    assert browser_page.evaluate("origin()")[0] == pytest.approx(start[0] + 20, abs=2)
    browser_page.mouse.wheel(0, 100)
    settle(browser_page)
    assert browser_page.locator("#zoom").text_content() == "16×"
    browser_page.mouse.move(box["x"] + 210, box["y"] + 210)
    browser_page.wait_for_function("() => document.getElementById('readout').textContent.startsWith('pixel')")


def test_everything_can_be_reached_by_keyboard_in_order(made, browser_page):
    reached = []
    browser_page.locator(".scroll").focus()
    for _ in range(12):
        browser_page.keyboard.press("Tab")
        reached.append(browser_page.evaluate("document.activeElement.id"))
    expected = ["image", "previous", "next", "left", "right", "view", "out", "in", "fit", "canvas", "split"]
    assert [name for name in reached if name][: len(expected)] == expected


def test_a_narrow_screen_needs_no_sideways_scrolling(made, browser_page):
    browser_page.set_viewport_size({"width": 380, "height": 700})
    settle(browser_page)
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= 380
