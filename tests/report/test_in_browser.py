"""The page in Chromium: nothing is loaded, nothing of a stranger runs, it works by keyboard, at any width, on paper."""

import re
import shutil
from dataclasses import replace

import pytest

from cnnlab.report.blocks import Document, Section
from cnnlab.report.html import render
from tests.report.documents import document, learning_curves, rich, table
from tests.report.hostile import TEXTS, hostile

sync_api = pytest.importorskip("playwright.sync_api")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FOUND = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(FOUND is None, reason=f"none of {', '.join(BROWSERS)} is installed")
A4, A4_HEIGHT = 672, 986  # CSS pixels between margins of 16 and 18 mm
SHOWN = """() => [...document.querySelectorAll('figure, table, img, svg, pre, p, dl, h1, h2, h3')]
    .filter((one) => one.checkVisibility())
    .map((one) => [one, one.getBoundingClientRect()])
    .map(([one, box]) => [one.tagName, one.outerHTML.slice(0, 80), box.left, box.right, box.height])"""

ALL_USED = """() => {
    for (const one of document.querySelectorAll('.hold')) {
        one.focus();
        one.dispatchEvent(new KeyboardEvent('keydown', {key: 'Home'}));
        one.dispatchEvent(new PointerEvent('pointermove', {clientX: 99, clientY: 99}));
    }
    for (const one of document.querySelectorAll('button, .behind, h2, td, text, img')) {
        one.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
        if (one.tagName === 'BUTTON') one.click();
    }
}"""


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=FOUND, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, tmp_path):
    """Opens a document without a network; at the end, there was no message, no request and no dialog."""
    heard, contexts = [], []

    def open_(shown, **options):
        path = tmp_path / f"report-{len(contexts)}.html"
        path.write_text(render(shown), encoding="utf-8")
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (heard.append("dialog"), dialog.dismiss()))
        is_inside = re.compile(rf"data:|{re.escape(path.as_uri())}")
        page.on("request", lambda request: is_inside.match(request.url) or heard.append(f"request: {request.url}"))
        page.goto(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert heard == []


def wide(width, **options):
    return {"viewport": {"width": width, "height": 800}, **options}


def overflow(page):
    return page.evaluate("document.scrollingElement.scrollWidth - innerWidth")


@pytest.mark.parametrize("shown", [document, rich], ids=["ordinary", "rich"])
def test_nothing_overflows_at_any_width(visit, shown):
    page = visit(shown(), **wide(360))
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert overflow(page) <= 0, width


def test_no_text_runs_or_breaks_the_layout(visit):
    attacks = [hostile(document(), text) for text in TEXTS.values()]
    sections = [replace(s, key=f"{i} {s.key}") for i, attack in enumerate(attacks) for s in attack.sections]
    lead = [block for attack in attacks for block in attack.lead]
    page = visit(Document(TEXTS["image"], lead, sections, TEXTS["script"]), **wide(360))
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.locator(".hold").count() > 5 * len(TEXTS)
    page.evaluate(ALL_USED)
    assert page.evaluate("window.hacked") is None
    assert overflow(page) <= 0


def test_inline_styles_and_scripts_are_refused(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(render(document()).replace("<main", "<script>window.hacked=true</script><main"), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("window.hacked") is None
    page.close()


def rows(page, column):
    return [cell.strip() for cell in page.locator(f".sortable tbody tr td:nth-child({column})").all_text_contents()]


def test_tables_are_sorted_by_their_values_and_missing_ones_come_last(visit):
    page = visit(Document("Title", [], [Section("Result", "result", [table()])], ""))
    head = page.locator("th", has_text="Recall")
    for way in ("descending", "ascending"):
        head.get_by_role("button").press("Enter")
        found = rows(page, 3)
        assert head.get_attribute("aria-sort") == way
        assert found.pop() == ""
        values = [float(text.split()[0]) for text in found]
        assert values == sorted(values, reverse=way == "descending")
    page.locator("th", has_text="Class").get_by_role("button").click()
    assert rows(page, 1) == [f"class {index}" for index in range(10)]
    assert page.locator("[aria-sort]").count() == 1


def test_values_are_read_under_the_pointer_and_by_arrow_keys(visit):
    page = visit(Document("Title", [], [Section("Curves", "curves", [learning_curves()])], ""))
    hold, tip = page.locator(".hold"), page.locator(".tip")
    box = hold.bounding_box()
    hold.hover(position={"x": box["width"] - 20, "y": box["height"] / 2})
    assert "Epoch 12" in tip.inner_text()
    page.mouse.move(0, 0)
    assert not tip.is_visible()
    hold.focus()
    page.keyboard.press("ArrowRight")
    assert re.search(r"Epoch 1\b.*validation\s*0\.68625.*training\s*0\.64173", tip.inner_text(), re.DOTALL), (
        tip.inner_text()
    )
    page.keyboard.press("ArrowRight")
    assert "Epoch 2" in tip.inner_text()
    page.keyboard.press("End")
    assert "Epoch 12" in tip.inner_text()
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_groups_are_switched_off_and_on(visit):
    page = visit(Document("Title", [], [Section("Curves", "curves", [learning_curves()])], ""))
    button, line = page.get_by_role("button", name="validation"), page.locator(".plot .series-1 .line")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert not line.is_visible()
    page.locator(".hold").press("Home")
    assert "validation" not in page.locator(".tip").inner_text()
    button.click()
    assert line.is_visible()


@pytest.mark.parametrize("has_script", [True, False])
def test_images_behind_a_cell_are_one_click_away(visit, has_script):
    page = visit(document(), java_script_enabled=has_script)
    link, image = page.locator(".matrix a").first, page.get_by_alt_text("Zeros taken for ones")
    assert not image.is_visible()
    link.press("Enter")
    assert image.is_visible()
    page.locator(".behind:target").get_by_text("Back to the matrix").click()
    assert not image.is_visible()


def test_a_link_into_a_folded_section_opens_it(visit):
    page = visit(document(), **wide(1440))
    folded = page.locator("details#epochs")
    assert not folded.locator("table").first.is_visible()
    page.get_by_role("navigation").get_by_text("Seed 1").click()
    assert folded.locator("table").first.is_visible()


def test_everything_is_read_without_script(visit):
    page = visit(document(), java_script_enabled=False)
    assert page.locator(".plot").first.is_visible()
    page.locator("details#epochs > summary").click()
    assert page.locator("details#epochs table").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, tmp_path, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    path = tmp_path / "report.html"
    path.write_text(render(document()), encoding="utf-8")
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)  # its script is not one of the page's
    page = context.new_page()
    page.goto(f"{path.as_uri()}#result-12-0-1")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    response = axe.run(page).response
    found, axe_rules_passed = response["violations"], response["passes"]
    context.close()
    assert len(axe_rules_passed) > 20
    serious = [
        (v["id"], [n["html"][:150] for n in v["nodes"]]) for v in found if v["impact"] in ("serious", "critical")
    ]
    assert serious == []


@pytest.mark.parametrize("shown", [document, rich], ids=["ordinary", "rich"])
def test_nothing_is_cut_off_on_paper(visit, shown):
    page = visit(shown(), **wide(A4))
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.section table").first.is_visible()
    found = page.evaluate(SHOWN)
    assert len(found) > 50
    assert [one for one in found if one[2] < -1 or one[3] > A4 + 1] == []
    assert [one for one in found if one[0] in ("IMG", "svg") and one[4] > A4_HEIGHT] == []  # would be divided
    assert page.pdf(format="A4").startswith(b"%PDF")
