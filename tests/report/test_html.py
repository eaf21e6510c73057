import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from auditkit.core.audit import Audit
from auditkit.core.finding import Bounds, Scope
from auditkit.core.types import Status, Verdict
from auditkit.report.render import render
from tests.report.sample import ANSI, BIDI, IMG, LONG, PAGES, SCRIPT, finding, sample_audit

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text of each."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


@pytest.fixture(scope="module")
def html() -> str:
    return render(sample_audit(), "html", PAGES)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_is_well_formed(page: Page) -> None:
    assert page.unbalanced == []
    assert page.open == []


def test_hostile_names_are_text_and_make_no_elements(html: str, page: Page) -> None:
    assert page.count("script") == 0
    assert page.count("img") == 0
    assert SCRIPT not in html
    assert IMG not in html
    shown = "".join(page.text)
    assert SCRIPT in shown
    assert IMG in shown


def test_no_element_carries_a_handler_or_a_style(page: Page) -> None:
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name.startswith("on") or name == "style"}


def test_control_characters_are_gone_and_bidi_marks_are_shown(html: str) -> None:
    assert "\x1b" not in html
    assert ANSI not in html
    assert "\u202e" not in html
    assert BIDI.replace("\u202e", "[U+202E]") in html
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", html)


def test_long_labels_are_cut_and_say_so(html: str) -> None:
    assert LONG not in html
    assert "(5,000 characters)" in html


def test_policy_comes_first_and_its_hash_is_that_of_the_style(html: str, page: Page) -> None:
    head = html.split("<head>", 1)[1].lstrip()
    assert head.startswith('<meta http-equiv="Content-Security-Policy"')
    policy = next(a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", html, re.S)
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["style-src"] == f"'sha256-{digest}'"
    assert rules["script-src"] == "'none'"
    assert rules["base-uri"] == rules["form-action"] == "'none'"
    assert page.count("style") == 1


def test_nothing_is_loaded_from_anywhere(html: str, page: Page) -> None:
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            target = attributes.get(name)
            assert target is None or target.startswith(("#", "data:,")), (tag, name, target)
    assert "@import" not in html
    assert "url(" not in html
    assert not re.search(r"https?://", html)


def test_links_have_targets_and_ids_are_unique(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for t, a in page.elements if t == "a" and a["href"].startswith("#")}
    assert links <= set(ids)


def test_size(html: str) -> None:
    assert len(html.encode()) < 250_000


def test_every_figure_has_alternative_text_and_its_data(html: str) -> None:
    figures = re.findall(r"<figure>.*?</figure>", html, re.S)
    assert len(figures) == len({f.title for found in sample_audit().findings for f in found.figures})
    for figure in figures:
        assert 'role="img"' in figure
        assert re.search(r"<title id=[^>]+>[^<]+</title><desc id=[^>]+>[^<]+</desc>", figure)
        table = re.search(r"<details>.*?<tbody>(.*?)</tbody>.*?</details>", figure, re.S)
        assert table
        assert table[1].count("<tr>") >= 1


def test_numbers_have_no_machine_digits(html: str) -> None:
    assert "0.10399999" not in html
    assert "0.104" in html
    assert not re.search(r"\d\.\d{7,}", html)
    assert not re.search(r">\s*(None|nan|NaN|inf)\s*<", html)


def test_small_groups_are_suppressed_in_text_tables_and_drawings(html: str) -> None:
    # `(missing)` of race has 3 rows; its selection rate in the sample is 0.405.
    audit = sample_audit()
    small = [f for f in audit.findings if f.scope.groups == ("(missing)",)]
    assert small
    for f in small:
        if f.n < 5:
            assert f"{f.value:.3f} <" not in html
            assert f"[{f.interval[0]:.3f}, {f.interval[1]:.3f}]" not in html
    drawn = re.search(r"<figure>\s*<figcaption>Selection rate by race.*?</figure>", html, re.S)[0]
    row = re.search(r"<tr><td>\(missing\)</td>(.*?)</tr>", drawn, re.S)[1]
    assert not re.search(r"\d", re.sub(r"<[^>]+>", "", row))
    assert drawn.count('class="mark"') == 5
    assert "0.405" not in drawn
    assert "has 3 rows" not in html
    assert "fewer than 5 rows" in html


def test_a_smaller_minimum_cell_shows_them(html: str) -> None:
    plan = {**sample_audit().plan, "report": {"min_cell": 1}}
    shown = render(sample_audit(plan=plan), "html", PAGES)
    drawn = re.search(r"<figure>\s*<figcaption>Selection rate by race.*?</figure>", shown, re.S)[0]
    assert drawn.count('class="mark"') == 6
    assert "0.405" in drawn


def test_irreproducible_numbers_are_marked(html: str) -> None:
    assert html.count("a rerun will differ") >= 2


def test_context_notes_and_reproduction_are_there(html: str) -> None:
    shown = " ".join(" ".join(Page(html).text).split())
    for said in (
        "Rank applicants for a job-training grant.",
        "auditkit run PLAN --seed 7",
        "worker process, rlimits",
        "The task was inferred",
        "cd" * 32,
        "sensitive: [sex, race]",
        "Privacy This version of auditkit has no check for it.",
        "Robustness Switched off in the plan.",
        "Different base rates",
    ):
        assert said in shown, said


def test_an_audit_of_nothing_renders() -> None:
    empty = sample_audit(findings=(), data=(), verdict=Verdict.UNJUDGED, exit_code=0, context={}, notes=(), plan={},
                         run=None)  # fmt: skip
    html = render(empty, "html")
    assert "Nothing was judged: the plan names no gates." in html
    assert Page(html).unbalanced == []


def test_extreme_numbers_render() -> None:
    values = (0.0, -0.0, 1.0, -1.5, 1e-12, 1e300, -1e300, 1.7e308, 5e-324, 123456789.123)
    findings = [
        finding("performance.summary", f"m{i}", Scope(split="test"), value=v, interval=(min(v, -abs(v)), abs(v)), n=1)
        for i, v in enumerate(values)
    ]
    gates = [
        finding("performance.summary", f"m{i}", Scope(split="test"), value=v, interval=(v, v), n=1,
                gate=Bounds(max=v), status=Status.PASS)
        for i, v in enumerate(values)
    ]  # fmt: skip
    for place in re.findall(r' c?x[12]?="([^"]+)"', render(sample_audit(findings=(*findings, *gates)), "html")):
        assert 0 <= float(place) <= 500


def test_hostile_ids_make_safe_anchors() -> None:
    bad = finding("bias.groups", "m", Scope(), status=Status.WARN, value=1.0).model_copy(
        update={"id": '"><b onload=x>', "check": 'a"b <i>.c d'}
    )
    html = render(sample_audit(findings=(bad,)), "html")
    ids = [a["id"] for _, a in Page(html).elements if "id" in a]
    assert all(re.fullmatch(r"[A-Za-z0-9-]+", i) for i in ids)


def test_json_round_trip() -> None:
    audit = sample_audit()
    assert Audit.from_json(render(audit, "json")) == audit
