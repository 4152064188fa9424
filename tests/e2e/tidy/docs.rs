//! Paths that pages name exist.

use std::path::{Path, PathBuf};

use super::tree::{files_below, read, root};

const TOP: &[&str] = &[
    "node/", "ctl/", "plugins/", "scripts/", "tests/", "docs/", ".ci/", ".github/",
];

#[test]
fn every_path_in_backticks_exists() {
    for page in pages() {
        let here = directory(&page);
        for span in spans(&read(&page)).filter(|span| looks_like_a_path(span)) {
            let path = span.split([':', '#']).next().unwrap_or(span);
            let exists = root().join(path).exists() || here.join(path).exists();
            assert!(exists, "{} names `{span}`", page.display());
        }
    }
}

#[test]
fn every_link_inside_the_repository_leads_somewhere() {
    for page in pages() {
        let text = read(&page);
        let here = directory(&page);
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = link.split('#').next().unwrap_or_default();
            let inside = !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:");
            assert!(
                !inside || here.join(path).exists(),
                "{} links to {link}",
                page.display()
            );
        }
    }
}

fn directory(page: &Path) -> PathBuf {
    root().join(page.parent().expect("a page lies in a directory"))
}

fn pages() -> Vec<PathBuf> {
    files_below(root(), "md")
}

/// Returns the texts between single backticks on one line; fenced blocks are left out.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines()
        .filter(move |line| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn looks_like_a_path(span: &str) -> bool {
    let plain = span
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "./_-:#".contains(c));
    plain && (TOP.iter().any(|top| span.starts_with(top)) || span.ends_with(".md"))
}
