//! Very many results, files and events. How long the page was busy is printed; `docs/performance.md` has the figures.

use e2e::browser::keys;
use serde_json::{Value, json};

use super::{Opened, open};
use crate::world::noded;

/// Counts the tasks of the page that took longer than 50 ms, and the pauses between frames.
const WATCH: &str = "
    window.busy = { tasks: [], frames: [], last: performance.now() };
    if (!window.watching) {
        window.watching = true;
        new PerformanceObserver(list => list.getEntries().forEach(e => window.busy.tasks.push(Math.round(e.duration)))).observe({ type: 'longtask' });
        const frame = now => { window.busy.frames.push(now - window.busy.last); window.busy.last = now; requestAnimationFrame(frame); };
        requestAnimationFrame(frame);
    }";

const SCROLL: &str = "
    const list = document.querySelector(arguments[0]);
    return (async () => {
        for (let step = 0; step <= 120; step += 1) {
            list.scrollTop = (list.scrollHeight - list.clientHeight) * step / 120;
            await new Promise(done => requestAnimationFrame(done));
        }
        for (let n = 0; n < 12; n += 1) await new Promise(done => requestAnimationFrame(done));
        return { rows: list.querySelectorAll('.row').length, last: list.querySelector('.row:last-child').innerText };
    })()";

/// Begins to watch; gives the time that the page has had of the processor so far, in seconds.
fn watch(page: &Opened) -> f64 {
    page.browser.devtools("Performance.enable", &json!({}));
    page.browser.js(WATCH);
    processor(page)
}

fn processor(page: &Opened) -> f64 {
    let metrics = page.browser.devtools("Performance.getMetrics", &json!({}));
    let mut metrics = metrics["metrics"].as_array().into_iter().flatten();
    let found = metrics.find(|metric| metric["name"] == "ThreadTime");
    found
        .and_then(|metric| metric["value"].as_f64())
        .unwrap_or(f64::NAN)
}

/// Says how busy the page was since it was watched.
fn tell(page: &Opened, what: &str, since: f64) {
    let took = processor(page) - since;
    let script = "
        const { tasks, frames } = window.busy;
        const sorted = frames.toSorted((a, b) => a - b);
        return { tasks: tasks.length, longest: Math.max(0, ...tasks), frames: frames.length, p50: sorted[sorted.length >> 1], p95: sorted[Math.floor(sorted.length * 0.95)], worst: sorted.at(-1) }";
    println!("{what}: processor {took:.2} s, {}", page.browser.js(script));
}

fn scroll(page: &Opened, list: &str) -> Value {
    page.browser.js_with(SCROLL, &json!([list]))
}

/// Checks that the active row is pointed to when it is there, and else nothing is.
fn assert_active_is_there(page: &Opened) {
    page.browser
        .js("document.querySelector('.search .list').focus()");
    page.browser.press(&[keys::DOWN]);
    let points = "document.querySelector('.search .list').hasAttribute('aria-activedescendant')";
    page.browser.until(&format!(
        "{points} && document.querySelector('.search .row.active')"
    ));
    scroll(page, ".search .list");
    page.browser.until(&format!("!{points}"));
    page.browser
        .js("document.querySelector('.search .list').scrollTop = 0");
    page.browser.until(&format!(
        "{points} && document.querySelector('.search .row.active')"
    ));
}

#[test]
fn a_hundred_thousand_results_are_a_few_rows() {
    let node = noded().start();
    let Some(page) = open(&node) else { return };
    // The answer of a search, in the pieces in which a node sends it.
    page.browser.js("
        const pass = window.fetch;
        window.fetch = async (path, options) => {
            if (path !== '/api/search') return pass(path, options);
            let at = 0;
            const encoder = new TextEncoder();
            return new Response(new ReadableStream({
                async pull(stream) {
                    if (at === 100000) {
                        stream.enqueue(encoder.encode(JSON.stringify({ done: { hits: [], end: 'limit', asked: 1, answered: 1, timed_out: 0, trace: [] } }) + '\\n'));
                        return stream.close();
                    }
                    const hits = [];
                    for (let n = 0; n < 250; n += 1, at += 1) hits.push({ name: `folder ${at % 700}/file number ${at} with a name.txt`, size: at * 1000, modified: 1.7e12 + at, digest: at.toString(16).padStart(64, '0'), node: `http://127.0.0.1:${4000 + at % 9}/`, handler: 'name', score: 1 - at / 1e6 });
                    stream.enqueue(encoder.encode(JSON.stringify({ hits }) + '\\n'));
                    if (at % 2500 === 0) await new Promise(done => setTimeout(done, 5));
                },
            }));
        };");
    let begun = watch(&page);
    page.search("file");
    page.browser
        .until_text(".search .summary", "100,000 files from 1 of 1 node");
    tell(&page, "100,000 results arriving", begun);
    let begun = watch(&page);
    let seen = scroll(&page, ".search .list");
    tell(
        &page,
        "100,000 results scrolled from top to end in 120 frames",
        begun,
    );
    assert!(
        seen["rows"].as_u64().is_some_and(|rows| rows < 100),
        "{seen}"
    );
    assert!(
        seen["last"]
            .as_str()
            .is_some_and(|text| text.contains("file number 99999")),
        "{seen}"
    );
    let begun = watch(&page);
    page.browser.js("const order = document.querySelector('[name=sort]'); order.value = 'size'; order.dispatchEvent(new Event('change', {bubbles: true}))");
    page.browser
        .js("document.querySelector('.search .list').scrollTop = 0");
    page.browser
        .until_text(".search .row:first-child", "file number 99999");
    tell(&page, "100,000 results sorted", begun);
    assert_active_is_there(&page);
    page.assert_quiet();
    node.stop();
}

#[test]
fn ten_thousand_files_in_a_folder_are_a_few_rows() {
    let options = (0..10_000).fold(noded(), |node, at| {
        node.file(&format!("many/{at:05}.txt"), "")
    });
    let node = options.start();
    let Some(page) = open(&node) else { return };
    let begun = watch(&page);
    page.view("share/many%2F");
    page.browser.until_text(".share .summary", "10,000 files");
    tell(&page, "a folder of 10,000 files opened", begun);
    let begun = watch(&page);
    let seen = scroll(&page, ".share .list");
    tell(
        &page,
        "10,000 files scrolled from top to end in 120 frames",
        begun,
    );
    assert!(
        seen["rows"].as_u64().is_some_and(|rows| rows < 100),
        "{seen}"
    );
    assert!(
        seen["last"]
            .as_str()
            .is_some_and(|text| text.contains("09999.txt")),
        "{seen}"
    );
    node.stop();
}

#[test]
fn a_thousand_events_a_second_do_not_freeze_the_page() {
    let node = noded().start();
    let Some(page) = open(&node) else { return };
    // The stream of events breaks off, and the one that follows has a thousand events a second for three seconds.
    page.browser.js("
        const pass = window.fetch;
        window.fetch = async (path, options) => {
            if (!path.startsWith('/api/events')) return pass(path, options);
            const status = (await (await pass('/api/call', { method: 'POST', headers: options.headers, body: '{\"method\":\"node.status\"}' })).json()).result;
            let id = 0;
            const encoder = new TextEncoder();
            const say = (kind, data) => encoder.encode(`event: ${kind}\\ndata: ${JSON.stringify(data)}\\n\\n`);
            return new Response(new ReadableStream({
                start(stream) { stream.enqueue(say('up', { ...status, started: 1 })); },
                async pull(stream) {
                    if (id >= 3000) return new Promise(() => {});
                    await new Promise(done => setTimeout(done, 20));
                    const events = [];
                    for (let n = 0; n < 20; n += 1) events.push({ id: ++id, time: Date.now(), type: 'test.news', data: { id: 7, name: `file ${id}`, bytes: id * 1000, size: 3000000 } });
                    stream.enqueue(say('news', { events, lost: 0 }));
                },
            }));
        };
        document.dispatchEvent(new Event('visibilitychange'));");
    page.view("node");
    let begun = watch(&page);
    page.browser.js("Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange')); \
        delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))");
    page.browser.until_text(".node .log", "3,000 events");
    tell(&page, "1,000 events a second for three seconds", begun);
    let rows = page
        .browser
        .js("return document.querySelectorAll('.node .log .row').length");
    assert!(rows.as_u64().is_some_and(|rows| rows < 100), "{rows}");
    page.assert_quiet();
    node.stop();
}
