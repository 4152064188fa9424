//! Names, snippets and texts of strangers are text.

use std::collections::BTreeSet;

use e2e::introduce;
use e2e::names::{HARMLESS, NAUGHTY};
use serde_json::{Value, json};

use super::{Opened, open};
use crate::world::noded;

/// Answers calls of the page as a test wants, and passes on all others.
const STUB: &str = "
    window.stubs ??= {};
    Object.assign(window.stubs, arguments[0]);
    if (!window.passOn) {
        window.passOn = window.fetch;
        window.fetch = async (path, options) => {
            const wanted = path === '/api/call' ? JSON.parse(options.body).method : path;
            if (!(wanted in window.stubs)) return window.passOn(path, options);
            const stub = window.stubs[wanted];
            return typeof stub === 'string' ? new Response(stub) : new Response(JSON.stringify({ result: stub }));
        };
    }";

fn stub(page: &Opened, stubs: &Value) {
    page.browser.js_with(STUB, &json!([stubs]));
}

/// Returns all texts of a kind in a list, scrolled through from its top to its end.
fn scrolled(page: &Opened, list: &str, cell: &str) -> BTreeSet<String> {
    let script = "
        const [selector, cell] = arguments;
        const list = document.querySelector(selector);
        const frame = () => new Promise(done => requestAnimationFrame(done));
        // Rows that one frame has no time for come with the next.
        const settled = async () => {
            for (let same = 0, last = -1; same < 3; ) {
                await frame();
                const now = list.querySelector('.row:last-child')?.dataset.at + list.querySelectorAll('.row').length;
                same = now === last ? same + 1 : 0;
                last = now;
            }
        };
        return (async () => {
            const found = new Set();
            for (let top = 0; ; top += list.clientHeight) {
                list.scrollTop = top;
                await settled();
                for (const row of list.querySelectorAll('.row')) {
                    const box = row.getBoundingClientRect();
                    if (row.scrollHeight > box.height + 1 || row.scrollWidth > list.clientWidth) found.add(`BROKEN ${row.innerText}`);
                    for (const named of row.querySelectorAll(cell)) found.add(named.textContent);
                }
                if (top >= list.scrollHeight) return [...found];
            }
        })()";
    let found = page.browser.js_with(script, &json!([list, cell]));
    let found = found.as_array().expect("a list").iter();
    found
        .map(|text| text.as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Checks that nothing came to life: no element that the page does not make, no dialog, no complaint.
fn assert_calm(page: &Opened) {
    let alive = page.browser.js("return document.querySelectorAll('img, iframe, object, embed, script:not([src]), svg script, style, plaintext').length");
    assert_eq!(alive, 0);
    assert_eq!(
        page.browser
            .js("return document.querySelectorAll('script').length"),
        1
    );
    let wide = page
        .browser
        .js("return document.documentElement.scrollWidth - innerWidth");
    assert!(
        wide.as_i64().unwrap_or(1) <= 0,
        "the page is {wide} too wide"
    );
    page.assert_quiet();
}

/// Returns the strings of the JSON file that `E2E_NAUGHTY` names, such as `blns.json` of the Big List of Naughty Strings.
fn more_names() -> Vec<String> {
    let file = std::env::var_os("E2E_NAUGHTY");
    let text = file.map(|file| std::fs::read_to_string(file).expect("E2E_NAUGHTY names a file"));
    text.map_or_else(Vec::new, |text| {
        serde_json::from_str(&text).expect("it is a list of strings")
    })
}

/// Returns a name as the page shows it: characters that nobody sees are named.
fn spelt(name: &str) -> String {
    let unseen = |c: char| {
        matches!(
            c,
            '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
        )
    };
    let spell = |c: char| {
        if unseen(c) {
            format!("\u{27e8}{:04X}\u{27e9}", u32::from(c))
        } else {
            c.to_string()
        }
    };
    name.chars().map(spell).collect()
}

#[test]
fn naughty_names_are_names() {
    let more = more_names();
    let listed = NAUGHTY.iter().chain(HARMLESS).copied();
    let all = listed.chain(more.iter().map(String::as_str));
    let all =
        all.filter(|name| !name.contains('\0') && !name.starts_with('/') && !name.contains("../"));
    let (near, far) = (noded().start(), noded());
    for name in all {
        let path = far.home().share().join(name);
        let dir = path.parent().unwrap_or(&path).to_owned();
        // Some are not names for this file system either.
        drop(std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, name)));
    }
    let far = far.start();
    introduce(&near.url, &far.url);
    let listing = far.control().must("share.list", json!({ "limit": 10000 }));
    let listing = listing["files"].as_array().unwrap().clone();
    let names: BTreeSet<String> = listing
        .iter()
        .map(|file| file["name"].as_str().unwrap().to_owned())
        .collect();
    println!("{} names", names.len());
    assert!(names.len() > 150, "{}", names.len());
    let Some(page) = open(&near) else { return };
    page.search("**");
    page.browser.until(&format!(
        "document.querySelector('.search .summary').innerText.includes('{} files')",
        names.len()
    ));
    let shown = scrolled(&page, ".search .list", ".name");
    let spelt: BTreeSet<String> = names.iter().map(|name| spelt(name)).collect();
    let missing: Vec<_> = spelt.difference(&shown).collect();
    assert!(missing.is_empty(), "{missing:?}\n{shown:#?}");
    assert!(
        shown.iter().all(|text| !text.starts_with("BROKEN")),
        "{shown:#?}"
    );
    assert_calm(&page);
    page.view(&format!(
        "peers/{}",
        e2e::names::in_path(&far.url).replace('/', "%2F")
    ));
    page.browser
        .until_text(".inside .summary", &format!("{} files", names.len()));
    let shown = scrolled(&page, ".inside .list", ".name");
    assert!(
        shown.iter().all(|text| !text.starts_with("BROKEN")),
        "{shown:#?}"
    );
    assert_calm(&page);
    near.stop();
    far.stop();
}

#[test]
fn naughty_texts_of_nodes_are_texts() {
    let node = noded().start();
    let Some(page) = open(&node) else { return };
    let hit = |(at, text): (usize, &&str)| {
        json!({ "name": format!("file {at}"), "size": 1, "modified": null, "digest": null, "node": format!("http://{text}/"), "handler": "text",
            "excerpt": { "text": text, "marks": [[0, 3], [2, 99], [7, 1]], "line": at } })
    };
    let hits: Vec<Value> = NAUGHTY.iter().enumerate().map(hit).collect();
    let trace: Vec<Value> = NAUGHTY.iter().map(|text| json!({ "node": text, "named_by": "x\"><img src=x onerror=alert(1)>", "handler": "name", "milliseconds": 1, "hits": 0, "end": text })).collect();
    let done = json!({ "done": { "hits": [], "end": "complete", "asked": 2, "answered": 2, "timed_out": 0, "trace": trace } });
    let peer = |text: &&str| json!({ "url": format!("http://{text}/"), "dialect": "codes", "kind": text, "state": "failing", "source": "hello", "failures": 1, "last_answer": null, "latency": null, "last_error": text });
    let peers: Vec<Value> = NAUGHTY.iter().map(peer).collect();
    let fetches: Vec<Value> = NAUGHTY.iter().enumerate().map(|(at, text)| json!({ "id": at, "name": text, "state": "failed", "bytes": 0, "size": null, "digest": null, "holders": [text],
        "rate": 0, "peer": text, "asked": 0, "started": 1, "ended": 2, "error": { "code": "failed", "message": text } })).collect();
    let plugins: Vec<Value> = NAUGHTY.iter().map(|text| json!({ "prefix": text, "file": text, "id": text, "version": 1, "description": text, "examples": [text], "state": "broken", "problem": text })).collect();
    stub(
        &page,
        &json!({
            "/api/search": format!("{}\n{done}\n", json!({ "hits": hits })),
            "peer.list": peers, "fetch.list": fetches, "plugin.list": plugins,
        }),
    );
    page.search("x");
    page.browser
        .until_text(".search .summary", &format!("{} files", NAUGHTY.len()));
    let shown = scrolled(&page, ".search .list", ".excerpt");
    assert!(
        shown.iter().all(|text| !text.starts_with("BROKEN")),
        "{shown:#?}"
    );
    assert!(
        shown.contains("<img src=x onerror=alert(0) />"),
        "{shown:#?}"
    );
    assert!(
        shown
            .iter()
            .all(|text| !text.contains(['\u{202e}', '\u{1b}', '\u{202b}'])),
        "{shown:#?}"
    );
    for view in ["peers", "transfers", "node"] {
        page.view(view);
        page.browser.until(&format!("document.querySelector('.{view}').innerText.includes('<plaintext>') || document.querySelector('.{view} .row')"));
        assert_calm(&page);
    }
    node.stop();
}
