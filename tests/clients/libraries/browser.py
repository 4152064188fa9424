"""Drives Chromium, without a window, over the page of a node: its links, its search box, its downloads."""
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

# The name by which WebDriver means an element.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Visit:
    """What a browser did: its version, the steps that worked, the files that arrived as they are, what failed."""

    def __init__(self, version):
        self.version, self.worked, self.downloads, self.failures = version, [], 0, []

    @property
    def steps(self):
        return ", ".join(self.worked)

    def step(self, name, good, detail):
        if good:
            self.worked.append(name)
        else:
            self.failures.append("%s: %s" % (name, detail))


class Driver:
    """A session of chromedriver. `downloads` is where Chromium puts files."""

    def __init__(self, program, chromium, profile, downloads):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.base = "http://127.0.0.1:%d" % probe.getsockname()[1]
        command = [program, "--port=" + self.base.rsplit(":", 1)[1]]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + profile]
        preferences = {"download.default_directory": downloads, "download.prompt_for_download": False}
        chromium = {"binary": chromium, "args": arguments, "prefs": preferences}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": chromium}}}
        answer = self.wait_for(lambda: self.ask("POST", "/session", wanted))
        self.version = answer["capabilities"]["browserVersion"]
        self.base += "/session/" + answer["sessionId"]

    @staticmethod
    def wait_for(attempt, seconds=30):
        end = time.monotonic() + seconds
        while True:
            try:
                return attempt()
            except (OSError, LookupError) as error:
                if time.monotonic() > end:
                    raise TimeoutError(str(error)) from error
            time.sleep(0.1)

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        return json.load(urllib.request.urlopen(request, timeout=60))["value"]

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def find(self, selector):
        found = self.ask("POST", "/elements", {"using": "css selector", "value": selector})
        return [element[ELEMENT] for element in found]

    def links(self):
        """The links of the page as they are written, with the element of each."""
        return {self.ask("GET", "/element/%s/attribute/href" % link): link for link in self.find("a[href]")}

    def click(self, element):
        self.ask("POST", "/element/%s/click" % element, {})

    def type(self, element, text):
        self.ask("POST", "/element/%s/value" % element, {"text": text})

    def text(self):
        return self.ask("GET", "/element/%s/text" % self.find("body")[0])

    def quit(self):
        try:
            self.ask("DELETE", "")
        except OSError:
            pass
        self.process.terminate()
        self.process.wait(10)


def visit(url, files, work):
    """Visits the page of the node at `url`, which shares `files`; None without a browser."""
    program, chromium = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if program is None or chromium is None:
        return None
    downloads = os.path.join(work, "downloads")
    os.makedirs(downloads)
    driver = Driver(program, chromium, os.path.join(work, "profile"), downloads)
    try:
        made = Visit("Chromium " + driver.version)
        open_page(driver, made, url, files)
        search(driver, made, url)
        for name, content in files.items():
            got = download(driver, url, name, content, downloads)
            made.downloads += got == content
            if got != content:
                made.failures.append("%r: %r instead of %r" % (name, (got or b"")[:40], content[:40]))
        return made
    finally:
        driver.quit()


def open_page(driver, made, url, files):
    driver.open(url)
    names = {urllib.parse.unquote(link.split("/files/", 1)[1]) for link in driver.links() if "/files/" in link}
    made.step("%d links" % len(files), names >= set(files), "missing: %r" % sorted(set(files) - names))


def search(driver, made, url):
    """Types into the search box as a person does, presses Enter, and follows the link of the hit."""
    driver.open(url)
    box = driver.find("input[name=q]")
    made.step("search box", len(box) == 1, "%d boxes" % len(box))
    if len(box) != 1:
        return
    driver.type(box[0], "caf\u00e9.txt\ue007")

    def hit():
        return next(link for link in driver.links() if "/files/" in link and urllib.parse.unquote(link).endswith("/files/caf\u00e9.txt"))

    try:
        found = driver.wait_for(lambda: hit_or_wait(hit), 10)
    except TimeoutError:
        found = None
    made.step("a hit with its link", found is not None, driver.text()[:200])


def hit_or_wait(hit):
    try:
        return hit()
    except StopIteration:
        raise LookupError("no hit yet") from None


def download(driver, url, name, content, downloads):
    """The bytes that a click on the link of `name` leaves in the directory for downloads; waits until they are `content`."""
    for file in os.listdir(downloads):
        os.remove(os.path.join(downloads, file))
    driver.open(url)
    link = next(element for link, element in driver.links().items() if urllib.parse.unquote(link).endswith("/files/" + name))
    driver.click(link)
    got = None

    def arrived():
        # Chromium makes an empty file of the final name first.
        nonlocal got
        files = [file for file in os.listdir(downloads) if not file.startswith(".")]
        if len(files) == 1 and not files[0].endswith(".crdownload"):
            with open(os.path.join(downloads, files[0]), "rb") as file:
                got = file.read()
        if got != content:
            raise LookupError("not there yet")

    try:
        driver.wait_for(arrived, 10)
    except TimeoutError:
        pass
    return got
