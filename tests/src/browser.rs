//! A real browser: Chromium, driven over the WebDriver protocol by the `chromedriver` beside it.
//!
//! Browser tests need both programs, and axe-core for the audits. [`Browser::is_here`] says whether they are; with `E2E_BROWSER=required`, as
//! `.ci/run` sets it, it is an error that they are not.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http;
use crate::wait::wait_until;
use crate::xmlrpc::from_base64;

/// The variable that makes browser tests a must.
const REQUIRED: &str = "E2E_BROWSER";

/// The variable that names the file `axe.min.js`.
const AXE: &str = "E2E_AXE";

/// The number of times that a driver is started before there is none.
const STARTS: usize = 5;

const READY: Duration = Duration::from_secs(30);

/// The time for a page to become what a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The member of an element that WebDriver names.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that are not text, as WebDriver writes them.
pub mod keys {
    /// Enter.
    pub const ENTER: &str = "\u{e007}";
    /// Tab.
    pub const TAB: &str = "\u{e004}";
    /// Arrow down.
    pub const DOWN: &str = "\u{e015}";
    /// Home.
    pub const HOME: &str = "\u{e011}";
    /// Delete.
    pub const DELETE: &str = "\u{e017}";
}

/// A browser with a profile of its own, ended at drop.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Returns true if there is a browser to test with.
    ///
    /// # Panics
    /// Panics if there has to be a browser and is none.
    pub fn is_here() -> bool {
        let runs = |program: &&str| {
            let run = Command::new(program).arg("--version").output();
            run.is_ok_and(|output| output.status.success())
        };
        // chromedriver finds it by itself, whatever its name is.
        let is_browser = ["chromium", "google-chrome"].iter().any(runs);
        let here = is_browser && runs(&"chromedriver") && std::env::var_os(AXE).is_some();
        let required = std::env::var(REQUIRED).is_ok_and(|value| value == "required");
        assert!(
            here || !required,
            "{REQUIRED} is set, but chromedriver, chromium or {AXE} is missing"
        );
        here
    }

    /// Starts one, without a window, as wide and high as said.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(width: u32, height: u32) -> Browser {
        let profile = TempDir::with_prefix("sixhop-browser-").expect("a temporary directory");
        let (driver, port) = (0..STARTS)
            .find_map(|_| driver(profile.path()))
            .expect("chromedriver says its port");
        let mut browser = Browser {
            driver,
            session: String::new(),
            _profile: profile,
        };
        let base = format!("http://127.0.0.1:{port}");
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": [
                "--headless=new",
                "--no-sandbox", // for root, in containers
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--lang=en-GB",
                "--hide-scrollbars",
                format!("--user-data-dir={}", browser._profile.path().join("profile").display()),
                format!("--window-size={width},{height}"),
            ] },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let answer = post(&format!("{base}/session"), &wanted).expect("a session");
        let id = answer["sessionId"]
            .as_str()
            .expect("a session has a number");
        browser.session = format!("{base}/session/{id}");
        browser
    }

    /// Opens an address.
    pub fn go(&self, url: &str) {
        self.must("url", &json!({ "url": url }));
    }

    /// Runs a piece of JavaScript and returns its value; a promise is waited for.
    pub fn js(&self, script: &str) -> Value {
        self.js_with(script, &json!([]))
    }

    /// Runs the script with `arguments`.
    pub fn js_with(&self, script: &str, arguments: &Value) -> Value {
        self.must(
            "execute/sync",
            &json!({ "script": script, "args": arguments }),
        )
    }

    /// Waits until an expression is true.
    pub fn until(&self, expression: &str) {
        wait_until(expression, PATIENCE, || {
            let script = format!("return !!({expression})");
            match self.post("execute/sync", &json!({ "script": script, "args": [] })) {
                Ok(Value::Bool(true)) => Ok(()),
                Ok(_) => Err(self.text("body")),
                Err(error) => Err(error),
            }
        });
    }

    /// Waits until the page says something somewhere in the elements of a selector.
    pub fn until_text(&self, selector: &str, text: &str) {
        self.until(&format!(
            "[...document.querySelectorAll({})].some(e => e.checkVisibility() && e.innerText.includes({}))",
            json!(selector),
            json!(text)
        ));
    }

    /// Returns the text that can be seen in the first element that a selector names.
    pub fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        let text = self.js_with(script, &json!([selector]));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks on the first element that a selector names, as a person does.
    pub fn click(&self, selector: &str) {
        wait_until(selector, PATIENCE, || {
            // Meanwhile there may be another element in its place.
            let element = self.element(selector);
            self.post(&format!("element/{element}/click"), &json!({}))
        });
    }

    /// Clicks with the middle button, which opens a link in a tab of its own.
    pub fn click_middle(&self, selector: &str) {
        let origin = json!({ ELEMENT: self.element(selector) });
        let actions = json!([
            { "type": "pointerMove", "origin": origin, "x": 0, "y": 0 },
            { "type": "pointerDown", "button": 1 },
            { "type": "pointerUp", "button": 1 },
        ]);
        self.must(
            "actions",
            &json!({ "actions": [{ "type": "pointer", "id": "mouse", "actions": actions }] }),
        );
    }

    /// Opens an empty tab and goes to it.
    pub fn open_tab(&self) {
        let tab = self.must("window/new", &json!({ "type": "tab" }));
        self.must("window", &json!({ "handle": tab["handle"] }));
    }

    /// Goes to the tab `at`, in the order in which they were opened.
    ///
    /// # Panics
    /// When there are not as many tabs.
    pub fn go_to_tab(&self, at: usize) {
        let url = format!("{}/window/handles", self.session);
        let handle = wait_until("the tab is there", PATIENCE, || {
            let answer = http::request(&url, "GET", http::path(&url), &[], b"")?;
            let all: Value = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
            let handle = all["value"].get(at).cloned();
            handle.ok_or_else(|| all.to_string())
        });
        self.must("window", &json!({ "handle": handle }));
    }

    /// Goes back in the history of the tab.
    pub fn back(&self) {
        self.must("back", &json!({}));
    }

    /// Goes forward in the history of the tab.
    pub fn forward(&self) {
        self.must("forward", &json!({}));
    }

    /// Drops files and folders of the disk onto the first element that a selector names, as a person does.
    pub fn drop_paths(&self, selector: &str, paths: &[PathBuf]) {
        let script = "const box = document.querySelector(arguments[0]).getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]";
        let place = self.js_with(script, &json!([selector]));
        for kind in ["dragEnter", "dragOver", "drop"] {
            self.devtools(
                "Input.dispatchDragEvent",
                &json!({
                    "type": kind, "x": place[0], "y": place[1],
                    "data": { "items": [], "files": paths, "dragOperationsMask": 1 },
                }),
            );
        }
    }

    /// Types into the first element that a selector names.
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.must(
            &format!("element/{element}/value"),
            &json!({ "text": text }),
        );
    }

    /// Presses keys, wherever the focus is.
    pub fn press(&self, keys: &[&str]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| {
                [
                    json!({ "type": "keyDown", "value": key }),
                    json!({ "type": "keyUp", "value": key }),
                ]
            })
            .collect();
        self.must(
            "actions",
            &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }),
        );
    }

    /// Sends a command of the DevTools protocol.
    pub fn devtools(&self, command: &str, params: &Value) -> Value {
        self.must(
            "goog/cdp/execute",
            &json!({ "cmd": command, "params": params }),
        )
    }

    /// Makes the page think that the person likes it light or dark.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        );
    }

    /// Makes the page as wide and high as said.
    pub fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Takes a picture of the page, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let shot = self.devtools("Page.captureScreenshot", &json!({ "format": "png" }));
        from_base64(shot["data"].as_str().unwrap_or_default()).expect("a picture is base64")
    }

    /// Returns the log of the page and its requests since the last time: `browser` or `performance`.
    pub fn log(&self, kind: &str) -> Vec<String> {
        let entries = self.must("se/log", &json!({ "type": kind }));
        let entries = entries.as_array().map_or(&[][..], Vec::as_slice);
        let message = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        entries.iter().map(message).collect()
    }

    /// Returns the complaints of axe about the visible page: each with its rule and the elements.
    ///
    /// # Panics
    /// When axe is not there or breaks.
    pub fn audit(&self) -> Vec<String> {
        let file =
            PathBuf::from(std::env::var_os(AXE).expect("tests ask first whether it is here"));
        if self.js("return typeof axe") == "undefined" {
            let source = std::fs::read_to_string(&file)
                .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            self.js(&source.replace("//# sourceMappingURL", "//"));
        }
        let script = "return axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.flatMap(v => \
                      v.nodes.slice(0, 3).map(n => `${v.id}: ${n.html.slice(0, 160)} ${(n.any[0] ?? n.all[0] ?? n.none[0])?.message ?? ''}`)))";
        let found = self.js(script);
        let found = found.as_array().expect("axe gives a list").iter();
        found
            .map(|line| line.as_str().unwrap_or_default().to_owned())
            .collect()
    }

    fn element(&self, selector: &str) -> String {
        wait_until(selector, PATIENCE, || {
            let wanted = json!({ "using": "css selector", "value": selector });
            let found = self.post("element", &wanted)?;
            found[ELEMENT]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| found.to_string())
        })
    }

    fn must(&self, what: &str, body: &Value) -> Value {
        self.post(what, body)
            .unwrap_or_else(|e| panic!("{what} {body:.300}: {e}"))
    }

    fn post(&self, what: &str, body: &Value) -> Result<Value, String> {
        post(&format!("{}/{what}", self.session), body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // All of it may have ended already.
        if !self.session.is_empty() {
            drop(http::request(
                &self.session,
                "DELETE",
                http::path(&self.session),
                &[],
                b"",
            ));
        }
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

/// Starts a driver and waits for its port. It may end because somebody else has just taken that port.
fn driver(home: &Path) -> Option<(Child, String)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is installed");
    let stdout = driver.stdout.take().expect("standard output is a pipe");
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // After the first line that matters nobody listens.
            drop(sender.send(line));
        }
    });
    while let Ok(line) = lines.recv_timeout(READY) {
        if let Some((_, port)) = line.split_once("successfully on port ") {
            return Some((driver, port.trim_end_matches('.').to_owned()));
        }
    }
    drop(driver.kill());
    drop(driver.wait());
    None
}

fn post(url: &str, body: &Value) -> Result<Value, String> {
    let headers = [("Content-Type", "application/json")];
    let answer = http::request(
        url,
        "POST",
        http::path(url),
        &headers,
        body.to_string().as_bytes(),
    )?;
    let value: Value = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
    match answer.status {
        200 => Ok(value["value"].clone()),
        _ => Err(value["value"]["message"].to_string()),
    }
}

/// Returns the directory for pictures of the documentation, if any: `E2E_PICTURES=docs/ui` sets it.
pub fn pictures(repository: &Path) -> Option<PathBuf> {
    std::env::var_os("E2E_PICTURES").map(|dir| repository.join(dir))
}
