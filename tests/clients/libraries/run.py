"""Tries a node with the XML-RPC libraries and HTTP clients that are on this machine, and prints a table.

    python3 tests/clients/libraries/run.py [--noded FILE] [--npm DIR] [--python FILE] [--java CLASSPATH] [--details] [NAME…]

Each client makes every call and reads 32 awkward files; where a library can serve, a node fetches the same files from it as
from a peer of the book. What is not installed is skipped, with the command that installs it. `--npm` is a directory with
`node_modules`, `--python` an interpreter that has aiohttp-xmlrpc, `--java` a class path with Apache XML-RPC and what it
needs. A browser searches, follows a link and downloads the files, driven by chromedriver. Ends with 1 if anything failed.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
import urllib.parse
import urllib.request

import browser

HERE = os.path.dirname(os.path.abspath(__file__))

# Names and contents. A text travels as a string, anything else as base64.
TEXTS = {
    "empty.txt": b"", "plain.txt": b"hello\n", "a & b.txt": b"a & b", "<tag>.txt": b"<a href=\"x\">y</a>", "quote \" '.txt": b"\"'\"'",
    "]]>.txt": b"x ]]> y", "cdata.xml": b"<![CDATA[x]]>", "entity.txt": b"&amp; &#38; &lt; &unknown;", "crlf.txt": b"one\r\ntwo\r\n",
    "cr.txt": b"one\rtwo\r", "lf only": b"\n\n\n", "spaces": b"  leading and trailing  \n ", "tab\u00a0nbsp": b"\ta\tb\t",
    "emoji \U0001f980.txt": "\U0001f980 \U0001f468\u200d\U0001f469\u200d\U0001f467".encode(), "caf\u00e9.txt": "caf\u00e9".encode(),
    "nfd.txt": unicodedata.normalize("NFD", "\u00e9\u00e8\u00fc").encode(), "\u65e5\u672c\u8a9e.txt": "\u65e5\u672c\u8a9e".encode(),
    "bom.txt": b"\xef\xbb\xbfbom", "deep/er/inside.txt": b"inside", "percent%20.txt": b"100%", "hash#?.txt": b"#?", "plus+.txt": b"+",
    "-option": b"-rf", "star*[x]{y}.txt": b"*", "number.txt": b"42", "xml.xml": b"<?xml version=\"1.0\"?>\n<methodResponse/>",
    "long.txt": b"0123456789abcdef\n" * 20000,
}
BYTES = {
    "binary.bin": bytes(range(256)), "control.txt": b"a\x00b\x01c\x1b[31m\x7f", "latin1.txt": "caf\u00e9".encode("latin-1"),
    "nonchar.txt": "\ufffe\uffff".encode(), "surrogate.bin": b"\xed\xa0\x80",
}


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


class Node:
    def __init__(self, program, home, name, files=None):
        self.share, self.state = os.path.join(home, name), os.path.join(home, name + "-state")
        os.makedirs(self.share)
        for file, content in (files or {}).items():
            path = os.path.join(self.share, file)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(content)
        command = [program, "--share", self.share, "--state", self.state, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = dict(part.split("=", 1) for part in self.process.stdout.readline().split()[1:])
        self.url, self.control = ready["url"], ready["control"]
        with open(os.path.join(self.state, "secret"), encoding="ascii") as file:
            self.secret = file.read().strip()

    def call(self, method, **params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        headers = {"Content-Type": "application/json", "Authorization": "Bearer " + self.secret}
        request = urllib.request.Request("http://%s/" % self.control, body, headers)
        answer = json.load(urllib.request.urlopen(request, timeout=60))
        if "error" in answer:
            raise OSError(answer["error"]["message"])
        return answer["result"]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Client:
    """A client or library: how it is called, how it serves, what installs it, how its version is found, and which contents it
    loses by itself, whoever it speaks to."""

    def __init__(self, name, client=None, server=None, install="", version=(), env=None, prepare=None, loses=()):
        self.name, self.client, self.server, self.install = name, client, server, install
        self.version, self.env, self.prepare, self.loses = version, env or {}, prepare, loses


def clients(options, work):
    python = options.python or sys.executable
    npm = {"NODE_PATH": os.path.join(options.npm, "node_modules")} if options.npm else {}

    def script(program, file, *more):
        return [program, os.path.join(HERE, file), *more]

    def library(name, loses=()):
        find = "JSON.parse(require('fs').readFileSync(require('path').join(process.env.NODE_PATH || 'node_modules', '%s/package.json'))).version"
        version = ["node", "-p", find % name]
        run_it = ["node", os.path.join(HERE, "npm.js")]
        return Client(name, run_it + ["client", name], run_it + ["server", name], "npm install " + name, version, npm, loses=loses)

    perl = lambda module: ["perl", "-M" + module, "-e", "print $%s::VERSION" % module]
    yield Client("CPython xmlrpc", script(sys.executable, "cpython.py", "client"), script(sys.executable, "cpython.py", "server"), "",
                 [sys.executable, "-c", "import platform; print(platform.python_version())"])
    yield Client("aiohttp-xmlrpc", script(python, "aiohttp_xmlrpc_driver.py", "client"), script(python, "aiohttp_xmlrpc_driver.py", "server"),
                 "pip install aiohttp-xmlrpc", [python, "-c", "from importlib.metadata import version; print(version('aiohttp-xmlrpc'))"],
                 # It strips white space around texts.
                 loses=["plain.txt", "crlf.txt", "cr.txt", "lf only", "spaces", "tab\u00a0nbsp", "long.txt"])
    yield Client("Perl RPC::XML", script("perl", "rpc_xml.pl", "client"), script("perl", "rpc_xml.pl", "server"), "apt install librpc-xml-perl", perl("RPC::XML"))
    yield Client("Perl XMLRPC::Lite", script("perl", "xmlrpc_lite.pl", "client"), script("perl", "xmlrpc_lite.pl", "server"), "apt install libxmlrpc-lite-perl", perl("XMLRPC::Lite"))
    yield Client("Ruby xmlrpc", script("ruby", "ruby.rb", "client"), script("ruby", "ruby.rb", "server"), "apt install ruby-xmlrpc ruby-webrick",
                 ["ruby", "-e", "require 'xmlrpc/client'; puts Gem.loaded_specs['xmlrpc']&.version || RUBY_VERSION"])
    yield Client("PHP xmlrpc", script("php", "client.php", "client"), "php", "apt install php-cli php-xmlrpc", ["php", "-r", "xmlrpc_encode(1); echo PHP_VERSION;"])
    yield library("xmlrpc")
    # Its CDATA ends at the first `]]>`.
    yield library("homematic-xmlrpc", ["]]>.txt"])
    # It writes no `]]>` at all: not in a name that it asks for, and in no content that it serves.
    yield library("@foxglove/xmlrpc", ["]]>.txt", "cdata.xml"])
    compiled = os.path.join(work, "xmlrpc_c")
    flags = run(["sh", "-c", "xmlrpc-c-config abyss-server client --cflags --libs"]).stdout.split()
    yield Client("xmlrpc-c", [compiled, "client"], [compiled, "server"], "apt install libxmlrpc-core-c3-dev libcurl4-gnutls-dev gcc", ["xmlrpc-c-config", "--version"],
                 # It makes a line feed of each carriage return, and takes no character beyond the first 65536.
                 loses=["crlf.txt", "cr.txt", "emoji \U0001f980.txt"], prepare=["gcc", "-o", compiled, os.path.join(HERE, "xmlrpc_c.c"), *flags])
    apache = work + ":" + options.java
    yield Client("Apache XML-RPC", ["java", "-cp", apache, "Apache", "client"], ["java", "-cp", apache, "Apache", "server"],
                 "org.apache.xmlrpc:xmlrpc-client and xmlrpc-server, named by --java", ["java", "-cp", apache, "Apache", "version"],
                 prepare=["javac", "-cp", apache, "-d", work, os.path.join(HERE, "Apache.java")])
    jar = "/usr/share/java/axmlrpc.jar"
    yield Client("Java aXMLRPC", ["java", "-cp", work + ":" + jar, "Axmlrpc", "client"], None, "apt install libaxmlrpc-java default-jdk-headless",
                 ["sh", "-c", "test -e %s && dpkg-query -f '${Version}' -W libaxmlrpc-java" % jar], prepare=["javac", "-cp", jar, "-d", work, os.path.join(HERE, "Axmlrpc.java")],
                 # It reads entities twice.
                 loses=["entity.txt"])


def downloads():
    """Programs that fetch /files/NAME into a file: the command for a URL and a path."""
    yield "curl", lambda url, path: ["curl", "-sS", "-f", "-o", path, url], "apt install curl"
    yield "wget", lambda url, path: ["wget", "-q", "-O", path, url], "apt install wget"
    yield "aria2", lambda url, path: ["aria2c", "-q", "-s4", "-x4", "--allow-overwrite=true", "-d", os.path.dirname(path), "-o", os.path.basename(path), url], "apt install aria2"


def tally(lines, what, details, lost=()):
    mine = [line.split("\t") for line in lines if line.startswith(what + "\t")]
    bad = [line for line in mine if line[2] != "ok"]
    known = [line for line in bad if line[1] in lost]
    details += ["%s %s: %s" % (what, line[1], line[3]) for line in bad if line not in known]
    text = "%d of %d" % (len(mine) - len(bad), len(mine)) + (" (%d lost by the library)" % len(known) if known else "")
    return text, len(bad) - len(known) + (not mine)


def as_client(client, node, cases, peer, files):
    env = dict(os.environ, CASES=cases, PEER=peer, **client.env)
    ran = run([*client.client, node.url], env=env)
    details = []
    lines = ran.stdout.splitlines()
    calls, bad_calls = tally(lines, "call", details)
    contents, bad_contents = tally(lines, "content", details, [str(at) for at, name in enumerate(files) if name in client.loses])
    if not lines:
        details.append(ran.stderr[-400:])
    return calls, contents, bad_calls + bad_contents, details


def as_server(client, options, work, cases, files):
    env = dict(os.environ, CASES=cases, **client.env)
    command, url = client.server, None
    if command == "php":
        port = free_port()
        command, url = ["php", "-S", "127.0.0.1:%d" % port, os.path.join(HERE, "server.php")], "http://127.0.0.1:%d/" % port
    server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    node = Node(options.noded, work, "asker " + client.name.replace("/", " "))
    details = []
    try:
        url = url or server.stdout.readline().strip()
        for _ in range(50):
            if node.call("peer.add", url=url)["state"] == "up":
                break
            time.sleep(0.1)
        for name, content in files.items():
            try:
                fetch = node.call("fetch.start", name=name)
                fetch = node.call("fetch.wait", id=fetch["id"], seconds=20)
                with open(os.path.join(node.share, name), "rb") as file:
                    got = file.read()
                if got != content:
                    details.append("served %r: %r instead of %r" % (name, got[:40], content[:40]))
            except OSError as error:
                reason = fetch.get("error") if isinstance(fetch, dict) else error
                details.append("served %r: %s" % (name, reason or error))
        known = [line for line in details if any(line.startswith("served %r:" % name) for name in client.loses)]
        text = "%d of %d" % (len(files) - len(details), len(files)) + (" (%d lost by the library)" % len(known) if known else "")
        return text, len(details) - len(known), [line for line in details if line not in known]
    finally:
        server.kill()
        server.wait()
        node.stop()


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--noded", default=os.path.join(HERE, "../../../target/debug/noded"))
    parser.add_argument("--npm", default="")
    parser.add_argument("--python", default="")
    parser.add_argument("--java", default="")
    parser.add_argument("--details", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        files = {**TEXTS, **BYTES}
        cases = os.path.join(work, "cases")
        with open(cases, "w", encoding="ascii") as out:
            for name, content in files.items():
                # Many libraries write a carriage return as it is, and every XML parser makes a line feed of it.
                kind = "text" if name in TEXTS and b"\r" not in content else "bytes"
                out.write("%s\t%s\t%s\n" % (name.encode().hex(), content.hex(), kind))
        node = Node(options.noded, work, "share", files)
        peer = Node(options.noded, work, "peer")
        rows = []
        for client in clients(options, work):
            if options.names and client.name not in options.names:
                continue
            built = run(client.prepare) if client.prepare and shutil.which(client.prepare[0]) else None
            version = run(client.version, env=dict(os.environ, **client.env)) if shutil.which(client.version[0]) else None
            if version is None or version.returncode != 0:
                print("skipped: %s is not here; %s" % (client.name, client.install), file=sys.stderr)
                continue
            if built is not None and built.returncode != 0:
                print("skipped: %s cannot be built: %s" % (client.name, built.stderr[-300:]), file=sys.stderr)
                continue
            calls, contents, bad, details = as_client(client, node, cases, peer.url, files)
            served = "–"
            if client.server:
                served, bad_served, more = as_server(client, options, work, cases, files)
                bad, details = bad + bad_served, details + more
            failed += bad
            rows.append((client.name, version.stdout.strip(), calls, contents, served))
            for line in details if options.details else details[:5]:
                print("%s: %s" % (client.name, line), file=sys.stderr)
        for program, command, install in downloads():
            if options.names and program not in options.names:
                continue
            if not shutil.which(program if program != "aria2" else "aria2c"):
                print("skipped: %s is not here; %s" % (program, install), file=sys.stderr)
                continue
            good = 0
            for at, (name, content) in enumerate(files.items()):
                path = os.path.join(work, "got-%s-%d" % (program, at))
                url = node.url + "files/" + urllib.parse.quote(name)
                ran = run(command(url, path))
                got = open(path, "rb").read() if os.path.exists(path) else None
                good += got == content
                if got != content:
                    print("%s: %r: %s" % (program, name, ran.stderr[-200:]), file=sys.stderr)
            failed += len(files) - good
            version = run([program if program != "aria2" else "aria2c", "--version"]).stdout.split("\n")[0]
            rows.append((program, version.split(" (")[0].split(" built")[0], "GET", "%d of %d" % (good, len(files)), "–"))
        if not options.names or "browser" in options.names:
            browsed = browser.visit(node.url, files, work)
            if browsed is None:
                print("skipped: Chromium is not here; apt install chromium chromium-driver", file=sys.stderr)
            else:
                failed += len(browsed.failures)
                rows.append(("a browser", browsed.version, browsed.steps, "%d of %d" % (browsed.downloads, len(files)), "–"))
                for line in browsed.failures:
                    print("a browser: %s" % line, file=sys.stderr)
        node.stop()
        peer.stop()
    print("| client | version | calls | contents | as a peer |\n|---|---|---|---|---|")
    for row in rows:
        print("| %s |" % " | ".join(row))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
