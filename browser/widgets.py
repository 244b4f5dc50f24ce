"""Moves every control of a notebook, by mouse and by keyboard, and looks whether its picture follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from page import Notebook
from playwright.sync_api import Locator
from playwright.sync_api import TimeoutError as TooLong

BOX = ".jp-NotebookPanel:visible .jp-OutputArea-output:has(.widget-vbox)"
KINDS = {"slider": ".widget-hslider", "list": ".widget-dropdown", "box": ".widget-checkbox",
         "vote": ".widget-hbox:has(> .jupyter-button)"}
DRAWN, OPENS = 30_000, 200                                              # ms for one drawing, for a list
STILL = """box => {
    const now = box.innerText + [...box.querySelectorAll('img')].map(image => image.src).join();
    if (window.last?.now !== now) window.last = {now, since: performance.now()};
    return performance.now() - window.last.since > 400 && now }"""
OTHER = """([box, before, text]) => before
    !== (text ? box.innerText : '') + [...box.querySelectorAll('img')].map(image => image.src).join()"""
TIMED = """box => {
    const images = () => [...box.querySelectorAll('img')].map(image => image.src).join(), before = images();
    window.redrawn = null;
    box.addEventListener('keydown', () => {
        const start = performance.now();
        const seen = new MutationObserver(() => {
            if (images() === before) return;
            seen.disconnect();
            window.redrawn = performance.now() - start });
        seen.observe(box, {subtree: true, childList: true, attributes: true})
    }, {once: true, capture: true}) }"""
IMAGES = "box => [...box.querySelectorAll('img')].map(image => image.src).join()"


def drive(notebook: Notebook) -> tuple[list[str], list[float], list[str]]:
    """The controls that were moved, the milliseconds of redraws, a line for each fault."""
    driven, redraws, faults = [], [], []
    for box, kind, control, name in controls(notebook):
        driven.append(name)
        for how, move in MOVES[kind]:
            try:
                fault = moved(notebook, box, control, move, pictures=kind != "vote")
                ms = notebook.page.evaluate("window.redrawn")
                if ms and kind == "slider" and how == "keyboard":
                    redraws.append(ms)
            except TooLong as error:
                fault = str(error).splitlines()[0]
            if fault:
                faults.append(f"{notebook.name}, {name}, by {how}: {fault}")
                notebook.shot(f"fault-{len(faults)}")
    return driven, redraws, faults


def controls(notebook: Notebook) -> Iterator[tuple[Locator, str, Locator, str]]:
    """Each control with its box, its kind and a name: "cell 19, slider t"."""
    boxes = notebook.page.locator(BOX)
    for i in range(boxes.count()):
        box = boxes.nth(i)
        cell = cell_of(box)
        for kind, selector in KINDS.items():
            for k in range(box.locator(selector).count()):
                control = box.locator(selector).nth(k)
                if kind == "vote":
                    name = f"card {k + 1}"
                else:
                    name = control.inner_text().split("\n")[0].strip() if kind != "list" else (
                        control.locator("label").inner_text())
                yield box, kind, control, f"cell {cell}, {kind} {name}"


def cell_of(box: Locator) -> int:
    """The number of the cell that a box stands in."""
    return box.evaluate("""box => [...document.querySelectorAll('.jp-Notebook .jp-Cell')]
        .indexOf(box.closest('.jp-Cell'))""")


def moved(notebook: Notebook, box: Locator, control: Locator, move: Callable[[Locator], None],
          pictures: bool) -> str:
    """Moves a control; what went wrong, or nothing."""
    page, element = notebook.page, box.element_handle()
    control.scroll_into_view_if_needed()
    before = page.wait_for_function(STILL, arg=element, timeout=DRAWN).json_value()
    old, what = (box.evaluate(IMAGES), "figure") if pictures else (before, "output")
    box.evaluate(TIMED)
    move(control)
    try:
        page.wait_for_function(OTHER, arg=[element, old, not pictures], timeout=DRAWN)
    except TooLong:
        return f"nothing changed in its {what}"
    page.wait_for_function(STILL, arg=element, timeout=DRAWN)
    wrong = box.locator("pre")
    return f"its picture is an error: {wrong.first.inner_text()}" if wrong.count() else ""


def drag(slider: Locator) -> None:
    """To the quarter of its track that is farther away."""
    track, handle = slider.locator(".slider").bounding_box(), slider.locator(".noUi-handle").bounding_box()
    assert track and handle
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    share = 0.25 if x > track["x"] + track["width"] / 2 else 0.75
    mouse = slider.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(track["x"] + track["width"] * share, y, steps=5)
    mouse.up()


def step(slider: Locator) -> None:
    """To an end by its key: the other one if it stands there."""
    handle = slider.locator(".noUi-handle")
    low, now = (float(handle.get_attribute(f"aria-value{what}") or 0) for what in ("min", "now"))
    handle.press("End" if now == low else "Home")


def choose(listed: Locator) -> None:
    select = listed.locator("select")
    count = select.locator("option").count()
    select.select_option(index=(select.evaluate("one => one.selectedIndex") + 1) % count)


def arrow(listed: Locator) -> None:
    """Opened by Space: in a closed list JupyterLab takes the arrows, to go to another cell."""
    select = listed.locator("select")
    for key in ("Space", "ArrowUp" if select.evaluate("one => one.selectedIndex") else "ArrowDown", "Enter"):
        select.press(key)
        select.page.wait_for_timeout(OPENS)


# The mouse last: it leaves a slider away from its ends, where two pictures may be equal.
MOVES: dict[str, list[tuple[str, Callable[[Locator], None]]]] = {
    "slider": [*[("keyboard", step)] * 3, ("mouse", drag)],
    "list": [("keyboard", arrow), ("mouse", choose)],
    "box": [("mouse", lambda one: one.locator("input").click()),
            ("keyboard", lambda one: one.locator("input").press("Space"))],
    "vote": [("keyboard", lambda one: one.locator("button").first.press("Enter"))],
}
