"""Look at built pages in a browser: python docs/look.py FOLDER. None may be too high or too wide, or need a network."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HIGHEST = 15_000
"""Pixels at a width of 1400."""


def faults(folder):
    """One sentence for each page that is not as it should be."""
    pages = [path for path in folder.rglob("*.html") if not {"_static", "_downloads", "_modules"} & set(path.parts)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for width in (1400, 390):
            view = browser.new_page(viewport={"width": width, "height": 900})
            asked = []
            view.on("request", lambda request, asked=asked: asked.append(request.url))
            for page in pages if width == 1400 else [page for page in pages if page.parent.name != "api"]:
                view.goto(page.resolve().as_uri())
                height, wide = view.evaluate("(one => [one.scrollHeight, one.scrollWidth])(document.documentElement)")
                if wide > width or (width == 1400 and height > HIGHEST):
                    yield f"{page.relative_to(folder)}: {wide} x {height} px at a width of {width}"
            yield from {f"asks the network for {url}" for url in asked if url.startswith("http")}
        browser.close()


found = list(faults(Path(sys.argv[1])))
print("\n".join(found) or "all pages are as they should be")
sys.exit(bool(found))
