//! Tests of the place of the page: the history of the browser, addresses, tabs, and the focus.

use e2e::browser::keys;
use serde_json::json;

use super::{Opened, open};
use crate::world::noded;

/// Returns the content of the search form: the words, the kind, the endings, the size and the order.
fn form(page: &Opened) -> serde_json::Value {
    page.browser.js(
        "const f = document.querySelector('.search-form').elements; \
         return ['q', 'kind', 'ext', 'size', 'sort'].map(name => f[name].value)",
    )
}

#[test]
fn each_search_is_an_entry_of_the_history() {
    let node = noded()
        .file("apple.txt", "about pears")
        .file("pear.md", "about apples")
        .file("plum.txt", "about plums")
        .start();
    let Some(page) = open(&node) else { return };
    let browser = &page.browser;
    page.search("apple");
    browser.until_text(".search .row", "apple.txt");
    assert_eq!(browser.js("return location.hash"), "#/search?q=apple");
    assert_eq!(
        browser.js("return document.title"),
        "apple – Search – Sixhop"
    );
    // Another kind is another search, and so is another ending.
    browser.js("document.querySelector('[name=kind][value=text]').click()");
    browser.until_text(".search .empty", "Nothing found");
    browser.js("document.querySelector('#q').value = ''");
    browser.fill("#q", "about");
    browser.press(&[keys::ENTER]);
    browser.until_text(".search .summary", "3 files");
    browser.js(
        "const ext = document.querySelector('[name=ext]'); ext.value = 'txt'; \
         ext.dispatchEvent(new Event('change', {bubbles: true}))",
    );
    browser.until_text(".search .summary", "2 files");
    assert_eq!(
        browser.js("return location.hash"),
        "#/search?q=about&kind=text&ext=txt"
    );
    browser.back();
    browser.until_text(".search .summary", "3 files");
    assert_eq!(form(&page), json!(["about", "text", "", "", "best"]));
    browser.back();
    browser.until_text(".search .empty", "Nothing found");
    browser.back();
    browser.until_text(".search .row", "apple.txt");
    assert_eq!(form(&page), json!(["apple", "all", "", "", "best"]));
    browser.back();
    browser.until_text(".search .empty", "What are you looking for?");
    assert_eq!(form(&page)[0], "");
    for _ in 0..4 {
        browser.forward();
    }
    browser.until_text(".search .summary", "2 files");
    assert_eq!(form(&page), json!(["about", "text", "txt", "", "best"]));
    // Another view and back again: the search is still there.
    page.view("share");
    browser.click("#nav [data-view=search]");
    browser.until_text(".search .summary", "2 files");
    assert_eq!(form(&page)[0], "about");
    page.assert_quiet();
    node.stop();
}

#[test]
fn an_address_with_filters_searches_for_just_that() {
    let node = noded()
        .file("small pear.txt", "pear")
        .file("large pear.txt", vec![b'p'; 200_000])
        .file("pear.md", "pear")
        .start();
    let Some(page) = open(&node) else { return };
    page.view("search?q=pear&ext=txt&size=%3C100k&sort=name");
    page.browser.until_text(".search .row", "small pear.txt");
    page.browser.until_text(".search .summary", "1 file ");
    assert_eq!(form(&page), json!(["pear", "all", "txt", "<100k", "name"]));
    // What means nothing is left out.
    page.view("search?q=pear&kind=nonsense&size=huge&sort=%00");
    page.browser.until_text(".search .summary", "3 files");
    assert_eq!(form(&page), json!(["pear", "all", "", "", "best"]));
    node.stop();
}

#[test]
fn all_tabs_of_one_browser_work() {
    let node = noded().file("here.txt", "here").start();
    let Some(page) = open(&node) else { return };
    let browser = &page.browser;
    browser.click_middle("#nav [data-view=share]");
    browser.go_to_tab(1);
    browser.until_text(".share .row", "here.txt");
    browser.open_tab();
    browser.go(page.ui.url());
    browser.until_text("#pulse", "Connected");
    // The address that was used once opens another tab of the same browser, and no more than that.
    browser.open_tab();
    browser.go(&page.ui.link);
    browser.until_text("#pulse", "Connected");
    // A page at another port of this machine sees nothing of the session.
    browser.open_tab();
    browser.go(&node.url);
    assert_eq!(
        browser.js("return [localStorage.length, sessionStorage.length]"),
        json!([0, 0])
    );
    browser.go_to_tab(0);
    page.search("here");
    browser.until_text(".search .row", "here.txt");
    node.stop();
}

#[test]
fn a_tab_that_was_locked_out_opens_with_the_next_one() {
    let node = noded().file("here.txt", "here").start();
    let Some(page) = open(&node) else { return };
    let browser = &page.browser;
    let key = browser.js("return localStorage.getItem('sixhop-key')");
    browser.open_tab();
    browser.go(page.ui.url());
    browser.until_text("#pulse", "Connected");
    browser.js("localStorage.setItem('sixhop-key', '0'.repeat(64))");
    page.browser.js("location.hash = '#/peers'");
    browser.until_text("main", "This page needs a new address");
    assert_eq!(
        browser.js("return localStorage.getItem('sixhop-key')"),
        json!(null)
    );
    browser.go_to_tab(0);
    browser.js_with(
        "localStorage.setItem('sixhop-key', arguments[0])",
        &json!([key]),
    );
    browser.go_to_tab(1);
    browser.until_text("#pulse", "Connected");
    node.stop();
}

#[test]
fn a_change_of_view_puts_the_focus_on_its_heading() {
    let peer = noded().file("folder/far.txt", "far").start();
    let node = noded()
        .file("folder/inner/a.txt", "a")
        .file("folder/b.txt", "b")
        .start();
    e2e::introduce(&node.url, &peer.url);
    let Some(page) = open(&node) else { return };
    let browser = &page.browser;
    browser.js("document.activeElement.blur()");
    for (key, heading) in [
        ("2", "Transfers"),
        ("3", "Share"),
        ("4", "Peers"),
        ("5", "Node"),
        ("1", "Search"),
    ] {
        browser.press(&[key]);
        browser.until(&format!(
            "document.activeElement.tagName === 'H1' && document.activeElement.textContent === '{heading}' && document.activeElement.closest('.view').checkVisibility()"
        ));
    }
    browser.press(&["3"]);
    browser.until("document.activeElement.textContent === 'Share'");
    browser.press(&["/"]);
    browser.until("document.activeElement.id === 'q'");
    // With the keyboard in the list, the next folder goes on in the list.
    page.view("share");
    browser.until_text(".share .row", "folder");
    browser.js("document.querySelector('.share .list').focus()");
    browser.press(&[keys::DOWN, keys::ENTER]);
    browser.until_text(".share .row", "inner");
    browser.until("document.activeElement.matches('.share .list')");
    // A link to a folder leads to the heading, which names it.
    page.view("share/folder%2Finner%2F");
    browser.until_text(".share .row", "a.txt");
    browser.until("document.activeElement.textContent === 'Share: folder/inner'");
    // So does a folder that is not there, whatever had the focus.
    browser.js("document.querySelector('.share .list').focus()");
    page.view("share/nowhere%2F");
    browser.until_text(".share .empty", "There is no such folder in your share");
    browser.until("document.activeElement.textContent === 'Share: nowhere'");
    page.view("peers");
    browser.until_text(".peers .row", "Answers");
    browser.click(".peers .row [data-action=files]");
    browser.until_text(".inside .row", "folder");
    browser.until("document.activeElement.textContent.startsWith('Files of 127.0.0.1')");
    let complaints = browser.audit();
    assert!(complaints.is_empty(), "{complaints:#?}");
    page.assert_quiet();
    node.stop();
    peer.stop();
}
