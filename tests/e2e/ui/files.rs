//! Tests of files on the page: own files, fetches, and drops.

use std::time::Duration;

use e2e::{NodeProcess, introduce, wait_until};
use serde_json::json;

use super::open;
use crate::world::noded;

/// Waits until the node knows the digests of its files.
fn wait_for_digests(node: &NodeProcess) {
    wait_until("the digests are known", Duration::from_secs(30), || {
        let listing = node.control().must("share.list", json!({})).to_string();
        if listing.contains("\"digest\":null") {
            Err(listing)
        } else {
            Ok(())
        }
    });
}

fn wait_for(node: &NodeProcess, name: &str, bytes: &[u8]) {
    wait_until(name, Duration::from_secs(30), || {
        let stored = node.home().read(name);
        match stored {
            Some(stored) if stored == bytes => Ok(()),
            stored => Err(format!("{:?}", stored.map(|bytes| bytes.len()))),
        }
    });
}

#[test]
fn two_own_files_of_one_content_are_two_rows() {
    let node = noded()
        .file("one copy.txt", "the same")
        .file("two copy.txt", "the same")
        .start();
    let peer = noded().file("three copy.txt", "the same").start();
    introduce(&node.url, &peer.url);
    wait_for_digests(&node);
    wait_for_digests(&peer);
    let Some(page) = open(&node) else { return };
    page.search("copy");
    page.browser.until_text(".search .summary", "2 files");
    for name in ["one copy.txt", "two copy.txt"] {
        page.browser.until(&format!(
            "[...document.querySelectorAll('.search .row .base')].filter(e => e.innerText === '{name}').length === 1"
        ));
    }
    // The name that the peer gives it is shown, and both rows have both holders.
    page.browser.until_text(".search .also", "three copy.txt");
    page.browser.until(
        "[...document.querySelectorAll('.search .row .holders')].every(e => e.innerText.includes('2 nodes'))",
    );
    page.browser.until_text(".search .row", "In your share");
    node.stop();
    peer.stop();
}

#[test]
fn a_file_that_is_here_byte_for_byte_is_not_got_again() {
    let near = noded()
        .file("a.txt", "the same")
        .file("b.txt", "mine")
        .start();
    let far = noded()
        .file("a.txt", "the same")
        .file("b.txt", "theirs")
        .start();
    introduce(&near.url, &far.url);
    wait_for_digests(&near);
    wait_for_digests(&far);
    let Some(page) = open(&near) else { return };
    let browser = &page.browser;
    page.view(&format!(
        "peers/{}",
        far.url.replace(':', "%3A").replace('/', "%2F")
    ));
    browser.until_text(".inside .row:has([data-action=download])", "a.txt");
    browser.until_text(".inside .row", "In your share");
    browser.until_text(".inside .row:has([data-action=get])", "b.txt");
    // Enter gets it all the same; there is nothing to ask.
    browser.js("document.querySelector('.inside .list').focus()");
    browser.press(&[e2e::browser::keys::DOWN, e2e::browser::keys::ENTER]);
    browser.until_text("#toasts", "a.txt is in your share, byte for byte");
    assert_eq!(
        browser.js("return document.querySelector('dialog')"),
        json!(null)
    );
    // What is other content is asked about, and what has the focus loses nothing.
    browser.click(".inside [data-action=get]");
    browser.until_text("dialog", "b.txt with other content");
    browser.press(&[e2e::browser::keys::ENTER]);
    browser.until("document.querySelector('dialog') === null");
    assert_eq!(near.home().read("b.txt").as_deref(), Some(&b"mine"[..]));
    // A link to an own file says what it does.
    let link = browser.js("const a = document.querySelector('.inside [data-action=download]'); return [a.innerText, a.href]");
    assert_eq!(link[0], "Download");
    let answer = e2e::http::get(&near.url, "/files/a.txt").unwrap();
    assert_eq!(link[1], json!(format!("{}files/a.txt", near.url)));
    let disposition = answer.header("content-disposition").unwrap_or_default();
    assert!(disposition.starts_with("attachment"), "{disposition}");
    near.stop();
    far.stop();
}

#[test]
fn all_results_and_all_of_a_folder_are_got() {
    let near = noded().file("photos/own.jpg", "own").start();
    let far = noded()
        .file("photos/2024/a.jpg", "a")
        .file("photos/2024/b.jpg", "b")
        .file("photos/own.jpg", "own")
        .file("letters/one.txt", "one")
        .file("letters/two.txt", "two")
        .file("top.txt", "top")
        .start();
    introduce(&near.url, &far.url);
    wait_for_digests(&far);
    wait_for_digests(&near);
    let Some(page) = open(&near) else { return };
    let browser = &page.browser;
    page.search("*.txt");
    browser.until_text(".search .summary", "3 files");
    browser.click(".search [data-action=get-all]");
    browser.until_text("dialog", "3 files");
    browser.click("dialog [data-answer=yes]");
    for (name, bytes) in [
        ("letters/one.txt", "one"),
        ("letters/two.txt", "two"),
        ("top.txt", "top"),
    ] {
        wait_for(&near, name, bytes.as_bytes());
    }
    // The files of a peer, folder by folder.
    let address = far.url.replace(':', "%3A").replace('/', "%2F");
    page.view(&format!("peers/{address}"));
    browser.until_text(".inside .is-folder", "photos");
    browser.until_text(".inside .is-file", "top.txt");
    browser.click(".inside [aria-label='Look inside photos']");
    browser.until_text(".inside .is-folder", "2024");
    browser.until_text(".inside .crumbs", "photos");
    browser.back();
    browser.until_text(".inside .is-folder", "letters");
    browser.forward();
    browser.until_text(".inside .is-folder", "2024");
    // A search in the list goes through the folders below.
    browser.fill(".inside input", "B jpg");
    browser.until_text(".inside .summary", "1 file");
    browser.until_text(".inside .is-file", "photos/2024/b.jpg");
    browser.js("const box = document.querySelector('.inside input'); box.value = ''; box.dispatchEvent(new Event('input'))");
    browser.click(".inside .filters [data-action=get-all]");
    browser.until_text("dialog", "3 files");
    let complaints = browser.audit();
    assert!(complaints.is_empty(), "{complaints:#?}");
    browser.click("dialog [data-answer=yes]");
    browser.until_text(
        "#toasts",
        "2 files are on the way; 1 is in your share already",
    );
    wait_for(&near, "photos/2024/a.jpg", b"a");
    wait_for(&near, "photos/2024/b.jpg", b"b");
    page.view(&format!("peers/{address}?in=nowhere"));
    browser.until_text(".inside .summary", "There is no folder nowhere");
    page.assert_quiet();
    near.stop();
    far.stop();
}

#[test]
fn a_dropped_folder_is_shared_with_its_folders() {
    let node = noded().file("there.txt", "there").start();
    let Some(page) = open(&node) else { return };
    let browser = &page.browser;
    let outside = tempfile::tempdir().unwrap();
    let album = outside.path().join("album");
    std::fs::create_dir_all(album.join("deep/deeper")).unwrap();
    for (name, text) in [
        ("cover.txt", "cover"),
        ("deep/deeper/inner.txt", "inner"),
        ("deep/empty.txt", ""),
        (".hidden", "hidden"),
        ("left.tmp", "left"),
    ] {
        std::fs::write(album.join(name), text).unwrap();
    }
    page.view("share");
    browser.until_text(".share .row", "there.txt");
    browser.drop_paths(".share .list", &[album]);
    browser.until_text("#toasts", "album/deep/empty.txt is shared");
    browser.until_text(".share .is-folder", "album");
    wait_for(&node, "album/cover.txt", b"cover");
    wait_for(&node, "album/deep/deeper/inner.txt", b"inner");
    wait_for(&node, "album/deep/empty.txt", b"");
    browser.until_text(".refused", "2 files were not added");
    browser.until_text(
        ".refused li",
        "`album/.hidden` is not shared: the name begins with a dot",
    );
    assert_eq!(node.home().read("album/.hidden"), None);
    let complaints = browser.audit();
    assert!(complaints.is_empty(), "{complaints:#?}");
    // A folder without a file.
    let bare = outside.path().join("bare");
    std::fs::create_dir(&bare).unwrap();
    browser.drop_paths(".share .list", &[bare]);
    browser.until_text(".refused li", "there is no file in it");
    node.stop();
}

#[test]
fn reasons_of_refused_files_are_said_whole() {
    let node = noded().file("there.txt", "there").start();
    let Some(page) = open(&node) else { return };
    let browser = &page.browser;
    let outside = tempfile::tempdir().unwrap();
    let long = format!("{}.tmp", "long name ".repeat(24).trim_end());
    let names = ["a.tmp", "there.txt", ".sixhopignore", &long];
    let paths = names.map(|name| {
        let path = outside.path().join(name);
        std::fs::write(&path, "x").unwrap();
        path
    });
    page.view("share");
    browser.until_text(".share .row", "there.txt");
    for (width, height) in [(1280, 860), (390, 780)] {
        browser.resize(width, height);
        browser.drop_paths(".share .list", &paths);
        browser.until_text(".refused", "4 files were not added");
        browser.until_text(
            ".refused li",
            "`a.tmp` is not shared: programs leave files of this name behind; a line `!` and the name in .sixhopignore shares it",
        );
        browser.until_text(".refused li", "there.txt is in the share already");
        browser.until_text(".refused li", "says what the node shares");
        // Nothing of it is cut off.
        browser.until(
            "[...document.querySelectorAll('.refused, .refused li, .refused li *')].every(e => e.scrollWidth <= e.clientWidth + 1 || getComputedStyle(e).display === 'inline')",
        );
        browser.click(".refused [data-action=dismiss-all]");
        browser.until("!document.querySelector('.refused').checkVisibility()");
    }
    assert_eq!(node.home().entries(), ["there.txt"]);
    node.stop();
}

#[test]
fn folders_and_files_that_are_not_there_are_said_to_be_unknown() {
    let node = noded().file("folder/a.txt", "a").start();
    let Some(page) = open(&node) else { return };
    let browser = &page.browser;
    page.view("share/nowhere%2F");
    browser.until_text(".share .empty", "There is no such folder in your share");
    assert!(!browser.text(".share").contains("is empty"));
    page.view("share/folder%2Fnone.txt");
    browser.until_text(
        ".share .summary",
        "there is no file folder/none.txt in your share",
    );
    page.view("share/folder%2Fa.txt");
    browser.until_text(".share .row.active", "a.txt");
    assert!(!browser.text(".share .summary").contains("there is no"));
    node.stop();
}

#[test]
fn the_log_has_one_line_of_progress_a_fetch() {
    let near = noded().start();
    let far = noded()
        .file("slow.bin", vec![7_u8; 1_800_000])
        .args(["--upload-rate", "300k"])
        .start();
    introduce(&near.url, &far.url);
    let Some(page) = open(&near) else { return };
    let browser = &page.browser;
    let progress = "[...document.querySelectorAll('.node .log .row')].filter(e => e.innerText.includes('fetch.progress')).length";
    page.view("node");
    near.control()
        .must("fetch.start", json!({ "name": "slow.bin" }));
    let mut told = std::collections::BTreeSet::new();
    wait_until("progress is told", Duration::from_secs(30), || {
        let now = browser.js(&format!(
            "return [{progress}, document.querySelector('.node .log').innerText]"
        ));
        assert!(now[0].as_u64().unwrap() <= 1, "{now}");
        if now[0] == 1 {
            let text = now[1].as_str().unwrap().to_owned();
            told.extend(
                text.lines()
                    .filter(|line| line.contains("slow.bin"))
                    .map(str::to_owned),
            );
        }
        (told.len() > 2)
            .then_some(())
            .ok_or_else(|| format!("{told:?}"))
    });
    browser.until_text(".node .log", "fetch.done");
    browser.until(&format!("({progress}) === 0"));
    near.stop();
    far.stop();
}

#[test]
fn a_look_around_finds_the_peers_of_peers() {
    let nodes = [noded().start(), noded().start(), noded().start()];
    introduce(&nodes[0].url, &nodes[1].url);
    introduce(&nodes[1].url, &nodes[2].url);
    let Some(page) = open(&nodes[0]) else { return };
    page.view("peers");
    page.browser.until_text(".peers .row", "Answers");
    // Nobody else can use the address that this node has.
    page.browser.until_text(
        ".peers .reach",
        "only programs of this machine reach this node",
    );
    page.browser.click(".peers .line .button");
    page.browser
        .until("document.querySelectorAll('.network g.dot').length === 3");
    page.assert_quiet();
    for node in nodes {
        node.stop();
    }
}
