//! The pages of links in a real browser: small windows, no scripts of others, files that are dropped.

use std::fs;

use e2e::{Browser, NodeProcess, eventually, names::NAUGHTY};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

/// The width of a small phone.
const WIDTH: u32 = 360;

fn start() -> NodeProcess {
    noded().args(["--web", "127.0.0.1:0"]).start()
}

/// Returns the URL of a new link, and the folder of its files.
fn link(node: &NodeProcess, args: &[&str]) -> (String, String) {
    let run = ctl(node.home())
        .args(["--json"])
        .args(args)
        .run()
        .expect_code(0);
    let said: Value = serde_json::from_str(&run.stdout).unwrap();
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    (text("url"), text("folder"))
}

fn browser() -> Option<Browser> {
    if !Browser::is_here() {
        println!("skipped: chromium, chromedriver or E2E_AXE is missing");
        return None;
    }
    let browser = Browser::start(WIDTH, 740);
    browser.resize(WIDTH, 740);
    Some(browser)
}

/// Checks that a page fits a phone, that everybody can use it, and that nothing of it was refused or ran.
fn check(browser: &Browser, scheme: &str) {
    browser.prefer(scheme);
    let width = browser.js("return document.documentElement.scrollWidth");
    assert!(width.as_u64() <= Some(WIDTH.into()), "{width} wide");
    let log = browser.log("browser");
    assert!(log.is_empty(), "{log:#?}");
    assert_eq!(browser.js("return typeof hacked"), "undefined");
    let complaints = browser.audit();
    assert!(complaints.is_empty(), "{scheme}: {complaints:#?}");
    browser.log("browser");
}

#[test]
fn pages_of_links_fit_a_phone_and_run_no_scripts_of_names() {
    let Some(browser) = browser() else { return };
    let node = start();
    let corpus = [
        "<script>hacked=1<.script>.txt",
        "<img src=x onerror=hacked=2>.txt",
        "\" onmouseover=hacked=3 x=\".txt",
        "' autofocus onfocus=hacked=4 '.txt",
        "javascript:hacked=5",
        "&lt;script&gt;hacked=6&lt;.txt",
    ];
    fs::create_dir_all(node.home().share().join("x")).unwrap();
    let naughty = NAUGHTY
        .iter()
        .filter(|name| !name.contains('/') && name.len() < 200);
    for name in corpus
        .iter()
        .filter(|name| !name.contains('/'))
        .chain(naughty)
    {
        // Some are no names of files.
        let _ = fs::write(node.home().share().join("x").join(name), "x");
    }
    fs::write(
        node.home().share().join("pic.svg"),
        "<svg xmlns='http://www.w3.org/2000/svg' onload='hacked=7'/>",
    )
    .unwrap();
    drop(node.control().must("share.rescan", json!({})));
    let (open, _) = link(&node, &["share", "add", "x", "pic.svg"]);
    let (limited, _) = link(&node, &["share", "add", "x", "--uses", "3"]);
    let word = node.home().root().join("word");
    fs::write(&word, "open\n").unwrap();
    let word = word.display().to_string();
    let (closed, _) = link(&node, &["share", "add", "x", "--password-file", &word]);
    for url in [&open, &limited, &closed] {
        for scheme in ["light", "dark"] {
            browser.go(url);
            // A page that was not found or is closed is an entry of the log of each browser.
            if *url == closed {
                browser.log("browser");
            }
            check(&browser, scheme);
        }
    }
    browser.fill("#password", "open");
    browser.click("button");
    browser.until_text("h1", "x");
    assert_eq!(browser.js("return document.scripts.length"), 0);
    node.stop();
}

#[test]
fn files_that_are_dropped_on_the_page_arrive() {
    let Some(browser) = browser() else { return };
    let node = start();
    let (url, folder) = link(&node, &["ask", "--into", "in"]);
    browser.go(&url);
    for scheme in ["light", "dark"] {
        check(&browser, scheme);
    }
    let home = node.home().root();
    let bytes: Vec<u8> = (0..20_000_000_u32)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    let (long, odd) = (
        home.join("long.bin"),
        home.join("<img src=x onerror=hacked=1>"),
    );
    fs::write(&long, &bytes).unwrap();
    fs::write(&odd, "odd").unwrap();
    browser.drop_paths(".drop", &[long, odd]);
    browser.until_text("#sent", "arrived as long.bin");
    browser.until_text("#sent", "arrived as <img src=x onerror=hacked=1>");
    check(&browser, "light");
    eventually("both are there", || {
        fs::read_dir(&folder).is_ok_and(|entries| entries.count() == 2)
    });
    assert!(
        fs::read(format!("{folder}/long.bin")).unwrap() == bytes,
        "other bytes arrived"
    );
    node.stop();
}
