//! The repository as the checks see it: packages from `cargo metadata`, sources and pages from the disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// One member of the workspace.
pub(super) struct Package {
    pub(super) name: String,
    /// Its directory, relative to the root.
    pub(super) dir: PathBuf,
    /// Names of everything it depends on, of every kind.
    pub(super) dependencies: Vec<String>,
    /// The root files of its targets, relative to the root of the repository.
    pub(super) roots: Vec<PathBuf>,
}

/// One Rust file.
pub(super) struct Source {
    /// Relative to the root of the repository.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Source {
    /// Returns the lines before its unit tests.
    pub(super) fn lines_before_tests(&self) -> usize {
        self.text
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]")
            .count()
    }

    /// Returns the text without line comments and without the inside of plain string literals.
    pub(super) fn code(&self) -> String {
        self.text.lines().map(code_of_line).collect()
    }
}

/// All members of the workspace.
pub(super) static PACKAGES: LazyLock<Vec<Package>> = LazyLock::new(read_packages);

/// All Rust files of the repository, members or not.
pub(super) static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    files_below(root(), "rs")
        .into_iter()
        .map(|path| Source {
            text: read(&path),
            path,
        })
        .collect()
});

/// Returns the root of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package of the tests lies in the repository")
}

/// Returns the text of a file of the repository.
pub(super) fn read(relative: &Path) -> String {
    std::fs::read_to_string(root().join(relative))
        .unwrap_or_else(|e| panic!("cannot read {}: {e}", relative.display()))
}

/// Returns files below a directory with an extension, relative to the root, sorted; build products are left out.
pub(super) fn files_below(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(dir, extension, &mut found);
    found.sort();
    found
}

fn collect(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    for entry in entries {
        let path = entry
            .expect("a directory of the repository is readable")
            .path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if name != "target" && name != ".git" {
                collect(&path, extension, found);
            }
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(relative(&path));
        }
    }
}

fn relative(path: &Path) -> PathBuf {
    path.strip_prefix(root())
        .expect("the path lies in the repository")
        .to_owned()
}

fn read_packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    list(&metadata, "packages").iter().map(package).collect()
}

fn package(value: &Value) -> Package {
    let manifest = relative(Path::new(text(value, "manifest_path")));
    Package {
        name: text(value, "name").to_owned(),
        dir: manifest
            .parent()
            .expect("a manifest lies in a directory")
            .to_owned(),
        dependencies: list(value, "dependencies")
            .iter()
            .map(|d| text(d, "name").to_owned())
            .collect(),
        roots: list(value, "targets")
            .iter()
            .map(|t| std::fs::canonicalize(text(t, "src_path")).expect("a target has its file"))
            .map(|path| relative(&path))
            .collect(),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("cargo names it")
}

/// Returns one line with its strings emptied and its comment cut.
fn code_of_line(line: &str) -> String {
    let mut code = String::new();
    let mut in_string = false;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' if in_string => drop(characters.next()),
            '"' => in_string = !in_string,
            _ if in_string => {}
            '/' if characters.peek() == Some(&'/') => break,
            _ => code.push(c),
        }
    }
    code.push('\n');
    code
}

#[test]
fn strings_and_comments_are_not_code() {
    assert_eq!(code_of_line(r#"a("x\"y::z", b) // c::d"#), "a(, b) \n");
}
