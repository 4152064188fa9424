//! Tests of trouble: the node, `ctl ui`, the session, a file that is there already.

use std::time::Duration;

use e2e::{introduce, wait_until};
use serde_json::json;

use super::open;
use crate::world::{Kind, Member, noded};

#[test]
fn a_node_that_goes_away_comes_back() {
    let node = noded().file("here.txt", "here").start();
    let Some(page) = open(&node) else { return };
    page.view("share");
    page.browser.until_text(".share .row", "here.txt");
    let options = node.kill();
    page.browser.until_text("#pulse", "The node is away");
    page.browser
        .until_text("#banner", "The node does not answer");
    page.search("here");
    page.browser
        .until_text(".search .summary", "The search failed");
    // It comes back on other ports, and with other files.
    let node = options.file("new.txt", "new").start();
    page.browser.until_text("#pulse", "Connected");
    page.search("new.txt");
    page.browser.until_text(".search .row", "new.txt");
    page.view("share");
    page.browser.until_text(".share .row", "new.txt");
    page.view("node");
    page.browser.until_text(".node .facts", &node.url);
    node.stop();
}

#[test]
fn an_address_that_was_used_opens_nothing_and_says_what_to_do() {
    let node = noded().start();
    let Some(page) = open(&node) else { return };
    // The same tab may be loaded again; it has its key.
    page.browser.js("location.reload()");
    page.browser.until_text("#pulse", "Connected");
    // Another browser with the same address may not.
    page.browser.js("localStorage.clear()");
    page.browser
        .devtools("Network.clearBrowserCookies", &json!({}));
    page.browser.go("about:blank");
    page.browser.go(&page.ui.link);
    page.browser
        .until_text("main", "This page needs a new address");
    let complaints = page.browser.audit();
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(!page.browser.text("body").contains(&node.url));
    node.stop();
}

#[test]
fn when_ctl_ends_the_page_says_so() {
    let node = noded().start();
    let Some(page) = open(&node) else { return };
    assert_eq!(page.ui.end("-INT"), Some(0));
    page.browser.until_text("#pulse", "ctl ui has ended");
    page.browser.until_text("#banner", "start it again");
    node.stop();
}

#[test]
fn a_file_that_is_there_is_replaced_after_a_question_only() {
    let near = noded().file("a.txt", "old").start();
    let far = noded().file("a.txt", "new and longer").start();
    introduce(&near.url, &far.url);
    let Some(page) = open(&near) else { return };
    page.search("a.txt");
    page.browser.until_text(".search .summary", "2 files");
    page.browser.click(".search [data-action=get]");
    page.browser
        .until_text("dialog", "Your share has a file named a.txt");
    assert_eq!(
        page.browser.js("return [document.activeElement.innerText, document.querySelector('dialog .primary').innerText]"),
        json!(["Keep it", "Keep it"])
    );
    page.browser.click("dialog [data-answer=no]");
    assert_eq!(near.home().read("a.txt").as_deref(), Some(&b"old"[..]));
    page.browser.click(".search [data-action=get]");
    page.browser
        .until_text("dialog", "Your share has a file named a.txt");
    page.browser.click("dialog [data-answer=yes]");
    wait_until("the file is replaced", Duration::from_secs(30), || {
        let stored = near.home().read("a.txt").unwrap_or_default();
        if stored == b"new and longer" {
            Ok(())
        } else {
            Err(format!("{stored:?}"))
        }
    });
    near.stop();
    far.stop();
}

#[test]
fn dropped_files_are_shared() {
    let node = noded()
        .file("there.txt", "there")
        .file("folder/x.txt", "x")
        .start();
    let Some(page) = open(&node) else { return };
    page.view("share");
    page.browser.until_text(".share .row", "there.txt");
    let drop_files = "
        const data = new DataTransfer();
        for (const [name, size] of arguments[0]) data.items.add(new File([new Uint8Array(size).fill(65)], name));
        for (const kind of ['dragenter', 'dragover', 'drop']) {
            document.querySelector('.share').dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
        }";
    page.browser.js_with(
        drop_files,
        &json!([[
            ["dropped.bin", 2_500_000],
            ["there.txt", 3],
            ["bad\\name", 3],
            ["empty", 0]
        ]]),
    );
    page.browser.until_text("#toasts", "dropped.bin is shared");
    page.browser.until_text(".share .is-file", "dropped.bin");
    page.browser
        .until_text(".share .is-upload", "there.txt is in the share already");
    page.browser
        .until_text(".share .is-upload", "cannot be the name of a shared file");
    wait_until("the files are there", Duration::from_secs(30), || {
        let sizes = ["dropped.bin", "empty", "there.txt"]
            .map(|name| node.home().read(name).map(|bytes| bytes.len()));
        if sizes == [Some(2_500_000), Some(0), Some(5)] {
            Ok(())
        } else {
            Err(format!("{sizes:?}"))
        }
    });
    page.view("share/folder%2F");
    page.browser.until_text(".share .row", "x.txt");
    page.browser
        .js_with(drop_files, &json!([[["inside.txt", 7]]]));
    wait_until("the file is in the folder", Duration::from_secs(30), || {
        node.home()
            .read("folder/inside.txt")
            .filter(|bytes| bytes.len() == 7)
            .ok_or_else(|| "not yet".to_owned())
    });
    assert!(
        node.home()
            .entries()
            .iter()
            .all(|name| !name.starts_with(".sixhop-part-"))
    );
    node.stop();
}

#[test]
fn when_nothing_is_found_everybody_can_be_asked() {
    let node = noded().start();
    let text = [("only there.txt".to_owned(), b"of the book".as_slice())];
    let book = Member::start(Kind::Faults, &text);
    introduce(&node.url, book.url());
    let Some(page) = open(&node) else { return };
    page.search("only there.txt");
    page.browser
        .until_text(".search .empty", "Not all nodes were asked");
    page.browser.click(".search .empty .button");
    page.browser.until_text(".search .row", "only there.txt");
    page.browser.until_text(".search .row", "127.0.0.1");
    page.assert_quiet();
    node.stop();
}
