//! Tests that the pages on security name exist.

use std::path::Path;

use super::tree::{SOURCES, read};

const PAGES: [&str; 2] = ["docs/security/promises.md", "docs/security-requirements.md"];

/// Stands for a part of a name that is left out.
const LEFT_OUT: char = '…';

/// Returns the modules and the test in a span such as `PACKAGE FILE::the_test_…`. Modules by themselves are no test.
fn named(span: &str) -> Option<(Vec<&str>, &str)> {
    let path = span.rsplit(' ').next()?;
    let (modules, test) = path.rsplit_once("::").or_else(|| {
        // Another test of the file before it.
        path.starts_with(LEFT_OUT).then_some(("", path))
    })?;
    let test = test.trim_matches(LEFT_OUT);
    let modules = modules
        .split("::")
        .filter(|module| !module.is_empty() && *module != "tests" && *module != "…");
    test.contains('_').then(|| (modules.collect(), test))
}

/// Returns true if a source of these modules has a test with this part of a name.
fn exists(modules: &[&str], test: &str) -> bool {
    SOURCES.iter().any(|source| {
        let path = source.path.to_string_lossy();
        let functions = source
            .text
            .lines()
            .filter_map(|line| line.split_once("fn "));
        modules.iter().all(|module| path.contains(module))
            && functions
                .filter_map(|(_, rest)| rest.split('(').next())
                .any(|name| name.contains(test))
    })
}

#[test]
fn tests_that_pages_on_security_name_exist() {
    let mut count = 0;
    for page in PAGES {
        let text = read(Path::new(page));
        for span in text.split('`').skip(1).step_by(2) {
            if let Some((modules, test)) = named(span) {
                assert!(exists(&modules, test), "{page} names `{span}`");
                count += 1;
            }
        }
    }
    assert!(count > 50, "{count} names were found");
}
