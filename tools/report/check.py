#!/usr/bin/env python3
"""Opens a report of `mal report` in Chromium and uses it: filters, pages, keys, the opened mask.

    pip install websocket-client
    python tools/report/check.py demo-out/report [--screenshots DIR]

Fails on the first thing that is not as it should be, and on any message in the console, any request
that leaves the folder, and any page that is wider than its window.
"""

import argparse
import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import websocket

WINDOWS = {"desktop-light": (1280, 1400, "light"), "desktop-dark": (1280, 1400, "dark"), "phone": (390, 844, "light")}


class Page:
    """One tab, by the DevTools protocol."""

    def __init__(self, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            target = next(t for t in json.load(answer) if t["type"] == "page")
        self.socket = websocket.create_connection(
            target["webSocketDebuggerUrl"], timeout=120, suppress_origin=True, max_size=None)
        self.number = 0
        self.problems = []
        self.requests = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def note(self, message):
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(parameters["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif method == "Runtime.consoleAPICalled":
            self.problems.append(f"console.{parameters['type']}: {parameters['args']}")
        elif method == "Log.entryAdded":
            self.problems.append(parameters["entry"]["text"] + " " + parameters["entry"].get("url", ""))
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def call(self, method, **parameters):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.note(message)

    def run(self, script):
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, script, seconds=60):
        end = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > end:
                sys.exit(f"never came true: {script}")
            time.sleep(0.05)

    def key(self, name):
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if name == "Enter" and kind == "keyDown" else {}
            code = {"Enter": 13, "Escape": 27}.get(name, 0)
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **text)

    def set(self, field, value):
        """Sets a filter and waits for what it finds."""
        self.run("document.body.dataset.found = ''")
        self.run(f"(() => {{ const f = document.getElementById({json.dumps(field)}); f.value = {json.dumps(value)};"
                 "f.dispatchEvent(new Event('input', {bubbles: true})); })()")
        self.until("document.body.dataset.found !== ''")


def expect(truth, text):
    print(("ok    " if truth else "WRONG ") + text)
    if not truth:
        sys.exit(1)


def check(page, folder, screenshots):
    count = "Number(document.body.dataset.found)"
    cards = "document.querySelectorAll('#gallery .card').length"
    address = (folder / "index.html").resolve().as_uri()
    for name, (width, height, scheme) in WINDOWS.items():
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=name == "phone")
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        start = time.monotonic()
        page.call("Page.navigate", url="about:blank")
        page.call("Page.navigate", url=address)
        page.until("document.body && document.body.dataset.ready === 'yes'")
        page.until("document.querySelectorAll('#gallery canvas').length > 0")
        print(f"{name}: first masks after {time.monotonic() - start:.2f} s")
        time.sleep(0.6)
        expect(page.run("document.documentElement.scrollWidth <= innerWidth"), f"{name}: nothing is wider than the window")
        if screenshots:
            picture = page.call("Page.captureScreenshot", format="png")["data"]
            (screenshots / f"{name}.png").write_bytes(base64.b64decode(picture))

    page.call("Emulation.setDeviceMetricsOverride", width=1280, height=1400, deviceScaleFactor=1, mobile=False)
    total = page.run("Number(document.body.dataset.boxes)")
    expect(page.run(count) == total, f"all {total} boxes are there")
    expect(page.run(cards) == min(total, 48), "a page holds 48 at most")
    expect(page.run("[...document.querySelectorAll('input, select, textarea')].every((f) => f.labels.length)"),
           "every field has a label")
    expect(page.run("[...document.querySelectorAll('button')].every((b) => b.textContent.trim() || b.ariaLabel)"),
           "every button has a name")
    expect(page.run("[...document.images].every((i) => i.hasAttribute('alt'))"), "every picture has an alt")
    expect(page.run("!document.querySelector('#gallery script, #gallery [onerror], #panels img, #facts img')"),
           "no name has become markup")

    values = page.run("[...document.getElementById('category').options].map((o) => [o.value, o.textContent])")
    page.set("category", values[1][0])
    inside = page.run(count)
    expect(values[1][1].endswith(f"({inside})"), f"a category has as many boxes as it says ({values[1][1]!r})")
    expect(page.run("location.hash.includes('category=')"), "the filter is in the address")
    page.set("category", "")
    sizes = []
    for size in ("0", "1", "2"):
        page.set("size", size)
        sizes.append(page.run(count))
    page.set("size", "")
    expect(sum(sizes) <= total and max(sizes) > 0, f"sizes: {sizes}")
    page.set("to", "0.5")
    low = page.run(count)
    scores = page.run("[...document.querySelectorAll('.card')].map((c) => (c.ariaLabel.match(/score ([\\d.]+)/) || [])[1])")
    expect(all(s is not None and float(s) <= 0.5 for s in scores), f"{low} boxes score 0.5 or less")
    page.set("to", "")
    first = page.run("document.querySelector('.card').ariaLabel").split(",")[0].removeprefix("annotation ")
    page.set("text", first)
    expect(page.run(count) >= 1, f"annotation {first} is found by its id")
    page.set("text", "no such file or id")
    expect(page.run(count) == 0 and "No box" in page.run("document.getElementById('found').textContent"), "nothing found is said")
    page.run("document.body.dataset.found = ''; document.querySelector('#filters [type=reset]').click()")
    page.until("document.body.dataset.found !== ''")
    expect(page.run(count) == total, "Clear brings all back")
    for order in page.run("[...document.getElementById('sort').options].map((o) => o.value)"):
        page.set("sort", order)
        expect(page.run(count) == total, f"sorted by {order}")
    page.set("sort", "worst")

    if total > 48:
        before = page.run("document.querySelector('.card').ariaLabel")
        page.run("document.querySelector('[data-go=next]').click()")
        expect(page.run("document.body.dataset.page") == "2" and page.run("document.querySelector('.card').ariaLabel") != before,
               "the next page is another")
        page.run("document.querySelector('[data-go=last]').click()")
        expect(page.run(cards) == (total - 1) % 48 + 1, "the last page holds the rest")
        page.until("document.querySelectorAll('#gallery canvas').length > 0")
        page.run("document.querySelector('[data-go=first]').click()")
    page.run("document.querySelector('.card').focus()")
    page.key("ArrowRight")
    expect(page.run("[...document.querySelectorAll('.card')].indexOf(document.activeElement)") == 1, "an arrow key moves on")
    page.key("Enter")
    page.until("document.getElementById('viewer').open && !!document.querySelector('#viewer canvas')")
    title = page.run("document.getElementById('viewer-title').textContent")
    page.key("ArrowRight")
    expect(page.run("document.getElementById('viewer-title').textContent") != title, "arrows go on in an open mask")
    time.sleep(0.4)
    width = "document.querySelector('#viewer .frame').clientWidth"
    place = "document.getElementById('viewer-picture').clientWidth"
    expect(page.run(f"{width} > 1 && {width} <= {place}"), "an opened mask fits its place")
    whole = page.run(width)
    page.run("document.getElementById('own').click()")
    expect(page.run("document.getElementById('zoom').textContent") == "100 %", "it can be seen at its own pixels")
    page.key("+")
    expect(page.run("document.getElementById('zoom').textContent") == "150 %", "+ goes nearer")
    page.key("0")
    expect(page.run(width) == whole, "0 shows the whole again")
    if screenshots:
        picture = page.call("Page.captureScreenshot", format="png")["data"]
        (screenshots / "open.png").write_bytes(base64.b64decode(picture))
    page.key("Escape")
    page.until("!document.getElementById('viewer').open")
    expect(page.run("[...document.querySelectorAll('.card')].indexOf(document.activeElement)") == 2, "focus is back at the mask")
    page.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
    page.run("document.querySelector('.card').click()")
    page.until("!!document.querySelector('#viewer .frame')")
    for _ in range(min(total, 45)):
        expect(page.run(f"{width} <= {place} && {place} <= 390 && "
                        "document.getElementById('viewer').scrollWidth <= 390"), "on a phone the mask is not cut off")
        page.key("ArrowRight")
        time.sleep(0.15)
    if screenshots:
        picture = page.call("Page.captureScreenshot", format="png")["data"]
        (screenshots / "open-phone.png").write_bytes(base64.b64decode(picture))
    page.key("Escape")
    page.until("!document.getElementById('viewer').open")
    page.call("Emulation.setDeviceMetricsOverride", width=1280, height=1400, deviceScaleFactor=1, mobile=False)
    tint = ("(() => { const c = document.querySelector('#gallery canvas'); const d = c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data; let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; })()")
    page.run("document.querySelector('.card').scrollIntoView()")
    page.until("document.querySelectorAll('#gallery canvas').length > 0")
    shown = page.run(tint)
    page.run("document.getElementById('show-mask').click()")
    page.until("document.querySelectorAll('#gallery canvas').length > 0")
    expect(page.run(tint) < shown, "the mask can be hidden")
    page.run("document.getElementById('show-mask').click()")

    page.run("new Promise((done) => setTimeout(done, 500))")
    root = folder.resolve().as_uri() + "/"
    away = [r for r in page.requests if not r.startswith((root, "about:", "data:"))]
    expect(not away, f"no request leaves the folder {away[:3]}")
    expect(not page.problems, f"the console is empty {page.problems[:3]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    options = parser.parse_args()
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        command = [options.chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                   "--disable-extensions", "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = Path(profile) / "DevToolsActivePort"
            for _ in range(600):
                if port.exists() and port.read_text().strip():
                    break
                time.sleep(0.1)
            check(Page(port.read_text().split()[0]), options.report, options.screenshots)
        finally:
            browser.terminate()
            browser.wait()
    print("all well")


if __name__ == "__main__":
    main()
