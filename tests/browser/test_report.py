"""The report in a real browser: nothing is loaded, nothing is refused by its own policy, and everyone can read it."""

import os
import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from auditkit.report.render import write
from tests.report.sample import PAGES, SCRIPT, sample_audit

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; set CHROMIUM to its path"),
    # Playwright's own event loop warns when a test session ends while its pipes close.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("report")
    return write(sample_audit(), directory, ["html"], PAGES)[0]


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture
def visit(browser, report):
    """Open the report; gives the page, what its console said, and what it asked for."""
    contexts = []

    def open_page(scheme: str = "light", width: int = 1280):
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        contexts.append(context)
        page, said, asked = context.new_page(), [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        return page, said, asked

    yield open_page
    for context in contexts:
        context.close()


def test_nothing_is_loaded_and_nothing_complains(visit, report: Path) -> None:
    page, said, asked = visit()
    page.wait_for_timeout(200)
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]


def test_the_style_is_accepted_by_the_policy(visit) -> None:
    page, _, _ = visit("dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 21, 28)"
    page, _, _ = visit("light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(244, 245, 247)"


def test_the_policy_refuses_what_an_attacker_would_add(visit) -> None:
    page, said, _ = visit()
    failed: list[tuple[str, str]] = []
    page.on("requestfailed", lambda request: failed.append((request.url, request.failure)))
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.hit = 1';"
        " document.body.append(s); const i = new Image(); i.src = 'https://example.org/x.png'; document.body.append(i);"
        " document.body.insertAdjacentHTML('beforeend', '<p id=late style=\"color:rgb(1,2,3)\">x</p>'); }"
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.hit") is None
    assert page.evaluate("getComputedStyle(document.getElementById('late')).color") != "rgb(1, 2, 3)"
    assert len(said) >= 3
    assert failed == [("https://example.org/x.png", "csp")]


def test_labels_that_look_like_scripts_stay_text(visit) -> None:
    page, _, _ = visit()
    assert page.locator("script").count() == 0
    assert page.locator("main img").count() == 0
    assert SCRIPT in page.locator("#verdict").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_everyone_can_read_it(visit, scheme: str, width: int) -> None:
    page, _, _ = visit(scheme, width)
    # Axe only sees what is open.
    page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_never_scrolls_sideways(visit, width: int) -> None:
    page, _, _ = visit("light", width)
    page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_printing_opens_what_is_folded(visit) -> None:
    page, _, _ = visit("dark")
    page.emulate_media(media="print")
    assert page.locator("details .page").first.is_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink')").strip() == "#17202b"


def test_every_drawn_text_lies_inside_its_figure(visit) -> None:
    page, _, _ = visit()
    page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
    outside = page.evaluate(
        """() => [...document.querySelectorAll('figure svg text')].filter(t => {
          const a = t.getBoundingClientRect(), b = t.closest('svg').getBoundingClientRect();
          return a.left < b.left - 4 || a.right > b.right + 4 || a.top < b.top - 4 || a.bottom > b.bottom + 4;
        }).map(t => t.textContent)"""
    )
    assert outside == []


@pytest.mark.parametrize("width", [320, 390])
def test_requirements_can_be_read_on_a_phone_without_scrolling_sideways(visit, width: int) -> None:
    page, _, _ = visit("light", width)
    table = page.locator("#gates .stacked")
    assert table.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    row = table.locator("tbody tr").nth(1)
    for said in (
        "Demographic parity difference by sex",
        "at most 0.10",
        "Not met",
        "0.181",
        "breaks the bound",
        "n = ",
    ):
        cell = row.get_by_text(said).first
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("width", [1024, 1200, 1280])
def test_requirements_are_whole_on_a_screen(visit, width: int) -> None:
    page, _, _ = visit("light", width)
    table = page.locator("#gates .stacked")
    # As long as a basis and a value of a real audit may be.
    table.locator("tbody tr").first.evaluate(
        "e => { e.querySelector('.interval').textContent = '[-0.00034, 0.00345]';"
        " e.lastElementChild.querySelector('.n').textContent = '95% interval, simultaneous MOVER-R'; }"
    )
    assert table.evaluate("e => e.scrollWidth <= e.clientWidth")
