//! The files of the page, inside the program.
//!
//! They hold nothing that is not in this repository, so everybody who finds the port may read them.

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    path: &'static str,
    /// Its media type.
    pub(super) kind: &'static str,
    /// Its text.
    pub(super) text: &'static str,
}

/// The policy for everything that is served: scripts, styles and calls of the page itself and nothing else, no frame around
/// it, and no text that becomes markup.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

macro_rules! files {
    ($kind:literal: $($name:literal),* $(,)?) => {
        [$(File {
            path: concat!("/", $name),
            kind: $kind,
            text: include_str!(concat!("../../page/", $name)),
        }),*]
    };
}

const HTML: File = File {
    path: "/",
    kind: "text/html; charset=utf-8",
    text: include_str!("../../page/index.html"),
};

const STYLES: [File; 1] = files!("text/css; charset=utf-8": "page.css");

const PICTURES: [File; 1] = files!("image/svg+xml": "icon.svg");

const SCRIPTS: [File; 19] = files!("text/javascript; charset=utf-8":
    "app.js", "build.js", "format.js", "graph.js", "graph-layout.js", "list.js", "node.js", "own.js", "peer-files.js", "peers.js", "query.js",
    "results.js", "search.js", "server.js", "session.js", "share.js", "state.js", "transfers.js", "uploads.js");

/// Returns the file at a path.
pub(super) fn find(path: &str) -> Option<File> {
    let all = STYLES.iter().chain(&PICTURES).chain(&SCRIPTS);
    std::iter::once(&HTML)
        .chain(all)
        .find(|file| file.path == path)
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_that_is_named_is_served() {
        for script in std::iter::once(&HTML).chain(&SCRIPTS) {
            let named = script.text.split('"').filter(|part| part.starts_with("./"));
            for name in named {
                assert!(find(&name[1..]).is_some(), "{} names {name}", script.path);
            }
        }
    }

    #[test]
    fn nothing_of_the_page_is_inline_or_from_elsewhere() {
        let html = HTML.text;
        for mark in [
            "<script>",
            "<style",
            "style=",
            "onclick",
            "javascript:",
            "src=\"http",
            "href=\"http",
        ] {
            assert!(!html.contains(mark), "{mark}");
        }
        for script in SCRIPTS {
            for mark in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
            ] {
                assert!(!script.text.contains(mark), "{}: {mark}", script.path);
            }
        }
    }
}
