"""The pages that `report -o` writes, in a browser."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from split_surgery import demo, fold, report
from tests.support.paths import EXAMPLE
from tests.support.report_pages import SECTIONS, one_log


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    if os.environ.get("SPLIT_SURGERY_REQUIRE_CHROMIUM") != "1":
        pytest.importorskip("playwright", reason="needs Chromium and playwright")
        if chromium() is None:
            pytest.skip("needs Chromium and playwright")
    from playwright.sync_api import sync_playwright

    program = chromium()
    assert program is not None, "SPLIT_SURGERY_REQUIRE_CHROMIUM is set, but there is no Chromium: run `make chromium`"
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=flags)
        yield running
        running.close()


@pytest.fixture
def opened(request, browser, page):
    """The page, in the colours that a test names or light, with what the browser complained of and what it asked for."""
    scheme = getattr(request, "param", "light")
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.complaints, tab.requests, tab.scheme = [], [], scheme
    tab.on("console", lambda message: tab.complaints.append(message.text))
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.on("request", lambda one: tab.requests.append(one.url))
    tab.goto(Path(page).as_uri())
    yield tab
    context.close()


def brightness(tab, selector, what):
    colour = tab.evaluate("([s, w]) => getComputedStyle(document.querySelector(s))[w]", [selector, what])
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


@pytest.mark.chromium
@pytest.mark.parametrize("opened", ["light", "dark"], indirect=True)
def test_the_page_in_a_browser(opened, page):
    assert opened.complaints == []
    assert opened.requests == [Path(page).as_uri()]
    assert [one.inner_text() for one in opened.query_selector_all("h2")] == SECTIONS
    for figure in opened.query_selector_all('figure svg[role="img"]'):
        box = figure.bounding_box()
        assert box["width"] > 200
        assert box["height"] > 80
    page_is_light = brightness(opened, "body", "backgroundColor") > 128
    assert page_is_light == (opened.scheme == "light")
    # Text stands out from what it is on, in the drawings too.
    for selector, what in (
        ("body", "color"),
        ("#picture-curves svg text", "fill"),
        ("#picture-derived1--after svg text", "fill"),
    ):
        assert (brightness(opened, selector, what) > 128) != page_is_light, selector
    assert opened.query_selector_all('[aria-label="Sections"] a')[3].get_attribute("href") == "#derived1"


def shown_lines(tab):
    lines = tab.query_selector_all('#picture-curves [id^="curves-line-"]')
    return sum(line.evaluate("one => getComputedStyle(one).display") != "none" for line in lines)


@pytest.mark.chromium
def test_lines_are_toggled_by_mouse_and_by_keyboard(opened):
    boxes = opened.query_selector_all("#picture-curves input")
    assert [box.is_checked() for box in boxes] == [True] * 4
    assert shown_lines(opened) == 16
    boxes[1].click()
    assert shown_lines(opened) == 12
    boxes[2].focus()
    opened.keyboard.press("Space")
    assert shown_lines(opened) == 8
    opened.keyboard.press("Tab")
    opened.keyboard.press("Space")
    assert shown_lines(opened) == 4
    opened.click("text=none")
    assert shown_lines(opened) == 0
    opened.keyboard.press("Shift+Tab")
    opened.keyboard.press("Enter")
    assert shown_lines(opened) == 16
    assert opened.complaints == []


@pytest.mark.chromium
def test_a_printed_page_and_one_without_scripts_say_which_line_is_which(browser, opened, page):
    key = opened.query_selector("#picture-curves .key")
    assert not key.is_visible()
    opened.emulate_media(media="print")
    assert key.is_visible()
    assert not opened.query_selector("#picture-curves fieldset").is_visible()
    assert brightness(opened, "body", "color") < 128
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(Path(page).as_uri())
    assert tab.query_selector("#picture-curves .key").inner_text().split() == [
        "fashion_vgg",
        "control",
        "derived1",
        "derived1_old",
    ]
    context.close()


@pytest.mark.chromium
def test_the_keyboard_stops_where_there_is_something_to_do(opened):
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.className") == "skip"
    opened.keyboard.press("Enter")
    assert opened.evaluate("document.activeElement.tagName") == "MAIN"
    stops = opened.evaluate(
        "[...document.querySelectorAll('.scroll[tabindex]')].filter(one => one.checkVisibility())"
        ".map(one => one.scrollWidth > one.clientWidth)"
    )
    assert all(stops)
    assert len(stops) < 4
    opened.set_viewport_size({"width": 360, "height": 740})
    opened.wait_for_function("document.querySelectorAll('.scroll[tabindex]').length > 3")


@pytest.mark.chromium
def test_long_names_do_not_widen_the_page(browser, tmp_path):
    for at in range(3):
        one_log(tmp_path, f"{'a_long_name_of_a_net_' * 5}{at}")
    report(tmp_path, tmp_path / "page.html")
    for width in (1280, 360):
        tab = browser.new_page(viewport={"width": width, "height": 800})
        tab.goto((tmp_path / "page.html").as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        cell = tab.query_selector("td")
        assert cell.evaluate("one => one.scrollWidth <= one.clientWidth + 1")
        tab.close()


@pytest.mark.chromium
def test_a_narrow_screen_scrolls_only_what_is_wide(opened):
    opened.set_viewport_size({"width": 360, "height": 740})
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360
    wide = opened.query_selector("#picture-curves .scroll")
    assert wide.evaluate("one => one.scrollWidth > one.clientWidth")
    wide.focus()
    opened.keyboard.press("ArrowRight")
    for _ in range(50):  # scrolling is smooth
        opened.wait_for_timeout(20)
        if wide.evaluate("one => one.scrollLeft") > 0:
            break
    assert wide.evaluate("one => one.scrollLeft") > 0


BROKEN_WORDS = """() => {
  document.querySelectorAll("details").forEach(one => one.open = true);
  const broken = [];
  for (const cell of document.querySelectorAll("td, th")) {
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    let letters = [];
    while (texts.nextNode()) {
      for (let at = 0; at < texts.currentNode.length; at++) letters.push([texts.currentNode, at]);
    }
    let word = "", tops = new Set();
    for (const [node, at] of [...letters, [null, 0]]) {
      const letter = node ? node.data[at] : " ";
      if (/\\s/.test(letter)) {
        if (tops.size > 1) broken.push(word);
        word = "", tops = new Set();
        continue;
      }
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + 1);
      word += letter;
      tops.add(Math.round(range.getBoundingClientRect().top));
    }
  }
  return broken;
}"""
"""The words of cells whose letters stand in two lines; what is folded away is opened first."""


@pytest.fixture(scope="module")
def wide_page(tmp_path_factory):
    """A page with splits, folded nets and long names of both."""
    folder = tmp_path_factory.mktemp("wide")
    for name in ("derived1", "a_net_that-has/a-name-with-hyphens_of_about_sixty_letters_or_even_more"):
        shutil.copytree(EXAMPLE / "derived1", folder / name)
        fold(folder / name, output=folder / f"{name}-folded")
    shutil.copy(EXAMPLE / "train.log", folder)
    report(folder, folder / "page.html")
    return folder / "page.html"


@pytest.mark.chromium
@pytest.mark.parametrize(
    "width", [360, *(pytest.param(width, marks=pytest.mark.whole_corpus) for width in (800, 1400))]
)
def test_no_word_of_a_table_is_broken_and_the_page_never_scrolls_sideways(width, browser, page, wide_page):
    for path in (page, wide_page):
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.goto(Path(path).as_uri())
        assert tab.evaluate(BROKEN_WORDS) == []
        assert tab.evaluate("document.querySelectorAll('td').length") > 50
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.add_style_tag(content="td { overflow-wrap: anywhere; max-width: 4rem } .word { white-space: normal }")
        assert tab.evaluate(BROKEN_WORDS) != [], "words that are broken are found"
        tab.close()


@pytest.mark.chromium
def test_what_is_folded_away_is_opened_by_keyboard_and_printed(opened):
    closed = opened.query_selector_all("details:not([open])")
    assert len(closed) == 2
    closed[0].query_selector("summary").focus()
    opened.keyboard.press("Enter")
    assert closed[0].evaluate("one => one.open")
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.query_selector_all("details:not([open])") == []
    opened.evaluate("dispatchEvent(new Event('afterprint'))")
    assert len(opened.query_selector_all("details:not([open])")) == 1, "what was open before stays so"


@pytest.mark.chromium
def test_a_point_of_a_curve_says_its_value(opened):
    """Under the middle of a spot the browser finds it, and not the line, whose title it would not show."""
    opened.set_viewport_size({"width": 1400, "height": 900})
    spot = opened.query_selector_all("#curves-line-2-2-0 circle")[1]
    spot.scroll_into_view_if_needed()
    box = spot.bounding_box()
    assert box["width"] >= 8
    middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    under = "([x, y]) => document.elementFromPoint(x, y).querySelector('title')?.textContent"
    said = opened.evaluate(under, middle)
    assert re.fullmatch(r"derived1(_old)?, iteration 250: 0\.88\d+", said)
    before = opened.evaluate("one => getComputedStyle(one).fill", spot)
    opened.mouse.move(*middle)
    assert opened.evaluate("([x, y]) => getComputedStyle(document.elementFromPoint(x, y)).fill", middle) != before


@pytest.mark.chromium
@pytest.mark.whole_corpus  # it needs a demo of its own
def test_the_demos_page_in_a_browser(browser, tmp_path):
    found = demo(tmp_path / "demo")
    tab = browser.new_page()
    complaints = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(Path(found.page).as_uri())
    assert [one.inner_text() for one in tab.query_selector_all("h2")] == [
        "Accuracy",
        "Curves",
        "Folded nets",
        "Splits",
        "extension",
        "residual",
        "Glossary",
    ]
    assert complaints == []
    tab.close()
