//! A new user, from the address in the terminal to a file in the share, without reading anything.
//!
//! `E2E_PICTURES=docs/ui cargo test -p e2e --test e2e ui::journey` writes the pictures of the documentation.

use e2e::browser::{keys, pictures};
use e2e::{Meters, NodeProcess, introduce, wait_until};
use serde_json::json;
use std::time::Duration;

use super::{Opened, open};
use crate::world::{noded, repository};

const FILES: &[(&str, usize)] = &[
    ("letters/1816-06-18 Villa Diodati.txt", 14_200),
    ("letters/1818-01-02 from Marlow.txt", 9_310),
    ("notes/harbour walk.md", 2_140),
    ("notes/reading list.md", 5_400),
    ("recipes/plum cake.txt", 1_830),
    ("field recordings/harbour at night.flac", 3_400_000),
    ("maps/harbour 1-5000.pdf", 820_000),
];

/// Names that both sides have, so that content is found at two nodes.
const SHARED: &[&str] = &[
    "notes/harbour walk.md",
    "letters/1818-01-02 from Marlow.txt",
];

fn bytes(name: &str, size: usize) -> Vec<u8> {
    let seed = name.len() + 7;
    (0..size).map(|at| (at * seed % 251) as u8).collect()
}

/// Starts a node that is looked at, two next to it, and three behind those.
fn network() -> (NodeProcess, Vec<NodeProcess>) {
    let near = noded()
        .file("poems/ozymandias.txt", bytes("poem", 660))
        .file("poems/to autumn.txt", bytes("autumn", 1_200))
        .file("welcome.txt", "hello")
        .start();
    let add = |options: e2e::NodeOptions, (name, size): &(&str, usize)| {
        options.file(name, bytes(name, *size))
    };
    let slow = FILES
        .iter()
        .fold(noded(), add)
        .args(["--upload-rate", "600k"])
        .start();
    let crane = ("sketches/harbour crane.svg", 48_000);
    let shared = FILES.iter().filter(|(name, _)| SHARED.contains(name));
    let behind = shared.chain([&crane]).fold(noded(), add).start();
    let light = ("sketches/lighthouse and harbour.png", 310_000);
    let far = [light].iter().fold(noded(), add).start();
    let quiet = noded().file("diary.txt", "nothing today").start();
    let last = noded().start();
    for (one, other) in [
        (&near, &slow),
        (&near, &far),
        (&slow, &behind),
        (&slow, &quiet),
        (&quiet, &last),
    ] {
        introduce(&one.url, &other.url);
    }
    (near, vec![slow, behind, far, quiet, last])
}

/// Looks at the page in every dress, with axe, and keeps pictures if that is wanted.
fn look(page: &Opened, name: &str) {
    page.browser
        .js("document.querySelectorAll('.toast').forEach(toast => toast.remove())");
    for (width, height) in [(1280, 860), (390, 780)] {
        page.browser.resize(width, height);
        for scheme in ["dark", "light"] {
            page.browser.prefer(scheme);
            // Colours are the same at every width.
            if width > 600 || scheme == "light" {
                let complaints = page.browser.audit();
                assert!(
                    complaints.is_empty(),
                    "{name} {width} {scheme}: {complaints:#?}"
                );
            }
            let wide = page
                .browser
                .js("return document.documentElement.scrollWidth - innerWidth");
            assert!(
                wide.as_i64().unwrap_or(1) <= 0,
                "{name} is {wide} wider than {width}"
            );
            if let Some(dir) = pictures(repository()) {
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(
                    dir.join(format!("{name}-{width}-{scheme}.png")),
                    page.browser.picture(),
                )
                .unwrap();
            }
        }
    }
    page.browser.resize(1280, 860);
}

#[test]
fn a_new_user_searches_fetches_and_finds_it_in_the_share() {
    let (near, others) = network();
    for node in &others {
        wait_until("the digests are known", Duration::from_secs(30), || {
            let listing = node.control().must("share.list", json!({})).to_string();
            if listing.contains("\"digest\":null") {
                Err(listing)
            } else {
                Ok(())
            }
        });
    }
    let Some(page) = open(&near) else { return };
    let browser = &page.browser;
    // The token is out of the address as soon as it was used.
    assert_eq!(browser.js("return location.hash"), "#/search");
    look(&page, "welcome");

    browser.fill("#q", "harbour");
    browser.press(&[keys::ENTER]);
    browser.until_text(".search .summary", "5 files");
    browser.until_text(".search .summary", "6 of 6 nodes");
    browser.until_text(".search .holders", "2 nodes");
    look(&page, "search");

    fetch_three(&page);
    browser.press(&["3"]);
    browser.until_text(".share .row", "field recordings");
    look(&page, "share");
    page.view("share/field%20recordings%2Fharbour%20at%20night.flac");
    browser.until_text(".share .row.active", "harbour at night.flac");
    let stored = near.home().read("field recordings/harbour at night.flac");
    assert_eq!(
        stored,
        Some(bytes("field recordings/harbour at night.flac", 3_400_000))
    );

    page.view("peers");
    browser.until_text(".peers .row", "Answers");
    browser.until("document.querySelectorAll('.network g.dot').length >= 6");
    look(&page, "peers");

    page.view("node");
    browser.until_text(".node .log", "fetch.done");
    browser.until_text(".node .plugins", "name:");
    look(&page, "node");
    page.assert_quiet();
    secret_is_nowhere(&near, &page);
    drop(page);
    near.stop();
    for node in others {
        node.stop();
    }
}

/// Gets three of the results, and watches the large one arrive.
fn fetch_three(page: &Opened) {
    let browser = &page.browser;
    // Small files, and then down into the results, where Enter gets the large one.
    for name in ["notes/harbour walk.md", "sketches/harbour crane.svg"] {
        browser.click(&format!("[aria-label='Get {name}']"));
    }
    browser.js("document.querySelector('#q').focus()");
    let at = browser.js("return [...document.querySelectorAll('.search .row')].findIndex(r => r.innerText.includes('harbour at night'))");
    let at = at.as_u64().expect("it is among the rows");
    browser.press(&[keys::DOWN, keys::HOME]);
    browser.press(&vec![keys::DOWN; at as usize]);
    browser.press(&[keys::ENTER]);
    browser.until_text("#toasts", "Fetching field recordings/harbour at night.flac");
    page.view("transfers");
    browser.until("document.querySelector('.transfers progress')?.value > 0.1");
    browser.until("document.querySelectorAll('.transfers .row').length === 3");
    look(page, "transfers");
    browser.until("document.querySelectorAll('.transfers .row .state.done').length === 3");
}

/// Looks for the secret of the node where a browser keeps and sends things, and in the arguments of the process.
fn secret_is_nowhere(node: &NodeProcess, page: &Opened) {
    let secret = node.home().secret();
    let kept = page.browser.js(
        "return JSON.stringify([document.documentElement.outerHTML, location.href, document.cookie, {...sessionStorage}, {...localStorage}, \
         history.state, performance.getEntriesByType('resource').map(e => e.name)])",
    );
    let requests = page.browser.log("performance").join("\n");
    assert!(
        requests.contains("X-Sixhop-Key"),
        "the requests are in the log"
    );
    let proc = format!("/proc/{}", page.ui.pid());
    let arguments =
        String::from_utf8_lossy(&std::fs::read(format!("{proc}/cmdline")).unwrap()).into_owned();
    for (what, text) in [
        ("page", kept.to_string()),
        ("requests", requests),
        ("arguments", arguments),
    ] {
        assert!(!text.contains(&secret), "the secret is in the {what}");
        assert!(
            what == "requests" || !text.contains(page.ui.token()),
            "the token is in the {what}"
        );
    }
    let elsewhere = page.browser.js(
        "return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin))",
    );
    assert_eq!(elsewhere, json!([]), "requests to other hosts");
    assert!(Meters::of(page.ui.pid()).peak_kib < 128 << 10);
}

#[test]
fn everything_can_be_done_with_the_keyboard() {
    let peer = noded().file("far.txt", "far").start();
    let node = noded().start();
    let Some(page) = open(&node) else { return };
    let browser = &page.browser;
    // A peer is added.
    browser.js("document.activeElement.blur()");
    browser.press(&["4"]);
    browser.until_text(".peers", "No peers yet");
    look(&page, "empty-peers");
    browser.js("document.body.focus()");
    tab_to(&page, "input[name=url]");
    browser.fill("input[name=url]", &peer.url);
    browser.press(&[keys::ENTER]);
    browser.until_text(".peers .row", "Answers");
    // Its files are looked at, and one is fetched.
    tab_to(&page, ".peers .people .list");
    browser.press(&[keys::DOWN, keys::ENTER]);
    browser.until_text(".inside .row", "far.txt");
    tab_to(&page, ".inside .list");
    browser.press(&[keys::DOWN, keys::ENTER]);
    wait_until("the file is in the share", Duration::from_secs(30), || {
        node.home()
            .read("far.txt")
            .ok_or_else(|| "not yet".to_owned())
    });
    // Tab goes to the buttons of the row that the arrows chose.
    browser.press(&["2"]);
    browser.until_text(".transfers .row", "In your share");
    tab_to(&page, ".transfers .list");
    browser.press(&[keys::DOWN]);
    tab_to(&page, ".transfers .row.active [data-action=download]");
    // The peer is removed, after a question.
    browser.press(&["4"]);
    browser.until_text(".peers .row", "Answers");
    tab_to(&page, ".peers .people .list");
    browser.press(&[keys::DOWN, keys::DELETE]);
    browser.until_text("dialog", "Remove the peer?");
    let complaints = browser.audit();
    assert!(complaints.is_empty(), "{complaints:#?}");
    tab_to(&page, "dialog [data-answer=yes]");
    browser.press(&[keys::ENTER]);
    browser.until_text(".peers", "No peers yet");
    assert_eq!(node.control().must("peer.list", json!({})), json!([]));
    for view in ["transfers", "share", "node", "search"] {
        page.view(view);
        let complaints = browser.audit();
        assert!(complaints.is_empty(), "{view}: {complaints:#?}");
    }
    page.assert_quiet();
    node.stop();
    peer.stop();
}

/// Presses Tab until the focus is there.
fn tab_to(page: &Opened, selector: &str) {
    for _ in 0..40 {
        let there = page.browser.js_with(
            "return document.activeElement?.matches(arguments[0]) ?? false",
            &json!([selector]),
        );
        if there == true {
            return;
        }
        page.browser.press(&[keys::TAB]);
    }
    panic!("Tab does not lead to {selector}");
}
