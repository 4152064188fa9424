//! Paths and sections that pages name exist, and pages are short enough to read.

use std::collections::HashSet;
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
        for link in
            links(&text).filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        {
            let (path, section) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                root().join(&page)
            } else {
                here.join(path)
            };
            assert!(target.exists(), "{} links to {link}", page.display());
            let found = section.is_empty() || sections(&read(&target)).contains(section);
            assert!(found, "{} links to {link}: no such section", page.display());
        }
    }
}

#[test]
fn every_page_of_docs_is_in_its_index() {
    let index = read(Path::new("docs/README.md"));
    let mut named: HashSet<PathBuf> = HashSet::new();
    let mut open = vec![PathBuf::from("docs/README.md")];
    while let Some(page) = open.pop() {
        if !named.insert(page.clone()) || !page.starts_with("docs") {
            continue;
        }
        let text = read(&page);
        let below = links(&text).filter(|link| link.contains(".md") && !link.contains("://"));
        open.extend(below.filter_map(|link| inside(&page, link)));
    }
    assert!(
        ["Tutorials", "How-to", "Reference", "Explanation"]
            .iter()
            .all(|kind| index.contains(kind))
    );
    for page in pages().into_iter().filter(|page| page.starts_with("docs")) {
        assert!(
            named.contains(&page),
            "no page of docs/ leads to {}",
            page.display()
        );
    }
}

#[test]
fn pages_have_at_most_250_lines_of_120_columns() {
    let manual = |page: &PathBuf| page.starts_with("docs") || page == Path::new("README.md");
    for page in pages().into_iter().filter(manual) {
        let text = read(&page);
        assert!(
            text.lines().count() <= 250,
            "{} is longer than 250 lines",
            page.display()
        );
        for line in outside_code(&text).filter(|line| !line.starts_with('|')) {
            assert!(line.chars().count() <= 120, "{}: {line}", page.display());
        }
    }
}

/// Returns the targets of the links of a page.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

/// Returns the page that a link of `page` leads to, as a path from the top of the repository.
fn inside(page: &Path, link: &str) -> Option<PathBuf> {
    let path = link.split('#').next().filter(|path| !path.is_empty())?;
    let target = directory(page).join(path).canonicalize().ok()?;
    let top = root().canonicalize().ok()?;
    target.strip_prefix(top).ok().map(Path::to_owned)
}

/// Returns the anchors that a forge makes of the headings of a page.
fn sections(text: &str) -> HashSet<String> {
    let headings = outside_code(text).filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c })
        .collect::<String>()
        .to_lowercase()
}

fn outside_code(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

fn directory(page: &Path) -> PathBuf {
    root().join(page.parent().expect("a page lies in a directory"))
}

fn pages() -> Vec<PathBuf> {
    files_below(root(), "md")
}

/// Returns the texts between single backticks on one line; fenced blocks are left out.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    outside_code(text).flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn looks_like_a_path(span: &str) -> bool {
    let plain = span
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "./_-:#".contains(c));
    plain && (TOP.iter().any(|top| span.starts_with(top)) || span.ends_with(".md"))
}
