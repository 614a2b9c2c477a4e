"""The pictures of the documents, from a report's page: `make pictures` makes them anew from the quickstart's study.

Needs Chromium. Each is one element of the page as the browser draws it, in 128 colours, to stay small.
"""

import sys
from pathlib import Path

from PIL import Image

from tests.browser import Browser

FOLDER = Path(__file__).parent / "pictures"
_FIND = "(e => { e.value = 'fricative plosive'; e.dispatchEvent(new Event('input')) })(document.getElementById('find'))"
_BOX = "document.querySelector('#confusion_0 .nsewdrag').getBoundingClientRect()"


def pictures(page: Path) -> None:
    """Write all of them."""
    with Browser() as browser:
        browser.size(1180, 900)
        browser.open(page.absolute().as_uri(), "document.documentElement.dataset.drawn")
        browser.ask("document.querySelector('nav').style.position = 'static'")
        _take(browser, "verdict", ".verdicts", margin=6)
        _take(browser, "arms", "#arms")
        _take(browser, "differences", "figure:has(#differences)")
        _take(browser, "boundaries", "#boundaries .columns")
        _take(browser, "speakers", "figure:has(#each_speaker)")
        _take(browser, "calibration", "#calibration .columns")
        _take(browser, "learning", "#learning .columns")
        _take(browser, "budget", "figure:has(#effort)")
        browser.ask(_FIND)
        browser.wait("document.querySelector('#phoneme_difference_0')._fullLayout.yaxis.range[0] < 20")
        _take(browser, "phonemes", "#phonemes .columns")
        browser.size(1180, 1000)
        box = browser.ask(
            "document.querySelector('#confusions .columns').scrollIntoView({block: 'center', behavior: 'instant'}),"
            f"{{x: {_BOX}.x, y: {_BOX}.y, width: {_BOX}.width, height: {_BOX}.height}}"
        )
        names = browser.ask("[...document.querySelector('#confusion_0').data[0].x]")
        column, row = ((names.index(name) + 0.5) / len(names) for name in ("[SIL]", "K"))
        browser.point(box["x"] + column * box["width"], box["y"] + row * box["height"])
        browser.wait("document.querySelector('#confusion_1 .hoverlayer').textContent")
        _take(browser, "confusions", "#confusions .columns", 160)
        browser.media(prefers_color_scheme="dark")
        browser.size(390, 700, phone=True)
        browser.ask("scrollTo({top: 0, behavior: 'instant'})")
        _take(browser, "phone", None)


def _take(browser: Browser, name: str, selector: str | None, colours: int = 128, margin: float = 0) -> None:
    file = FOLDER / f"{name}.png"
    if selector:
        browser.picture(file, selector, margin=margin)
    else:
        browser.window(file)
    with Image.open(file) as picture:
        small = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    small.save(file, optimize=True)
    print(f"{file.relative_to(FOLDER.parent.parent)}  {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    pictures(Path(sys.argv[1]))
