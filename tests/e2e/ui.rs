//! `ctl ui`: the page, in a real browser, and its door as strangers meet it.

mod door;
mod files;
mod floods;
mod history;
mod hostile;
mod journey;
mod trouble;

use e2e::browser::Browser;
use e2e::{NodeProcess, Ui};

/// A page for a node, and a browser that has opened it.
struct Opened {
    ui: Ui,
    browser: Browser,
}

/// Returns the page for a node.
fn page_of(node: &NodeProcess) -> Ui {
    Ui::start(crate::world::ctl_program(), node.home())
}

/// Opens the page for a node. `None`: there is no browser to do it with.
fn open(node: &NodeProcess) -> Option<Opened> {
    if !Browser::is_here() {
        println!("skipped: chromium, chromedriver or E2E_AXE is missing");
        return None;
    }
    let ui = page_of(node);
    let browser = Browser::start(1280, 860);
    browser.prefer("light");
    browser.resize(1280, 860);
    browser.go(&ui.link);
    browser.until_text("#pulse", "Connected");
    Some(Opened { ui, browser })
}

impl Opened {
    /// Goes to a view by its address.
    fn view(&self, name: &str) {
        self.browser.js_with(
            "location.hash = arguments[0]",
            &serde_json::json!([format!("#/{name}")]),
        );
        let id = name.split(['/', '?']).next().unwrap_or_default();
        self.browser.until(&format!(
            "document.querySelector('.view.{id}')?.checkVisibility()"
        ));
    }

    /// Searches as a person does.
    fn search(&self, words: &str) {
        self.view("search");
        self.browser.js("document.querySelector('#q').value = ''");
        self.browser.fill("#q", words);
        self.browser.press(&[e2e::browser::keys::ENTER]);
    }

    /// Checks that nothing was reported as an error: no broken script, nothing that the policy refused.
    fn assert_quiet(&self) {
        let log = self.browser.log("browser");
        assert!(log.is_empty(), "{log:#?}");
    }
}
