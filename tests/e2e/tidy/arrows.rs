//! Arrows point down only.

use super::tree::{PACKAGES, SOURCES};

/// The packages of ours that each package may use. `e2e` stands above all and is not here.
const ARROWS: &[(&str, &[&str])] = &[
    ("node-wire", &[]),
    ("node-api", &[]),
    ("plugin-api", &[]),
    ("plugin-words", &[]),
    ("plugin-host", &["plugin-api"]),
    (
        "plugin-content",
        &["plugin-api", "plugin-host", "plugin-words"],
    ),
    ("plugin-documents", &["plugin-api", "plugin-host"]),
    ("plugin-filename", &["plugin-api", "plugin-words"]),
    ("plugin-process", &["plugin-api", "plugin-host"]),
    ("plugin-script", &["plugin-api", "plugin-host"]),
    ("node-base", &[]),
    (
        "node-share",
        &["node-base", "node-wire", "plugin-api", "plugin-words"],
    ),
    ("node-transport", &["node-base", "node-wire"]),
    ("node-discovery", &["node-base", "node-wire"]),
    (
        "node-overlay",
        &[
            // Its plain types, without the RPC traits.
            "node-api",
            "node-base",
            "node-transport",
            "node-wire",
            "plugin-api",
            "plugin-words",
            // Tests only: the keys that a real handler gives.
            "plugin-filename",
        ],
    ),
    (
        "node-core",
        &[
            // Its plain types, without the RPC traits.
            "node-api",
            "node-base",
            "node-overlay",
            "node-share",
            "node-transport",
            "node-wire",
            "plugin-api",
            // Tests only: a handler of names.
            "plugin-filename",
        ],
    ),
    (
        "node",
        &[
            "node-api",
            "node-base",
            "node-core",
            "node-discovery",
            "node-overlay",
            "node-share",
            "node-transport",
            "node-wire",
            "plugin-api",
            "plugin-content",
            "plugin-documents",
            "plugin-filename",
            "plugin-host",
            "plugin-process",
            "plugin-script",
        ],
    ),
    (
        "ctl",
        &[
            "node",
            "node-api",
            // Who may read a state directory, and which node holds it.
            "node-base",
            "node-wire",
            "plugin-api",
            "plugin-host",
            "plugin-process",
            "plugin-script",
        ],
    ),
];

#[test]
fn every_package_has_its_place() {
    for package in PACKAGES.iter().filter(|p| p.name != "e2e") {
        assert!(
            ARROWS.iter().any(|(name, _)| *name == package.name),
            "{} has no row in ARROWS",
            package.name
        );
    }
}

#[test]
fn arrows_point_down_only() {
    let ours: Vec<&str> = PACKAGES.iter().map(|p| p.name.as_str()).collect();
    for (name, allowed) in ARROWS {
        let Some(package) = PACKAGES.iter().find(|p| p.name == *name) else {
            panic!("{name} has a row in ARROWS and is no package");
        };
        for dependency in &package.dependencies {
            assert!(
                !ours.contains(&dependency.as_str()) || allowed.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn the_tiny_contract_depends_on_thiserror_only() {
    let contract = PACKAGES.iter().find(|p| p.name == "plugin-api");
    let dependencies = &contract.expect("plugin-api is a package").dependencies;
    assert!(
        dependencies.iter().all(|d| d == "thiserror"),
        "plugin-api uses {dependencies:?}"
    );
}

#[test]
fn the_wire_does_no_io_and_waits_for_nothing() {
    for source in SOURCES
        .iter()
        .filter(|s| s.path.starts_with("node/wire/src"))
    {
        let code = source.code();
        for word in [
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "tokio",
            "async fn",
        ] {
            assert!(
                !code.contains(word),
                "{} uses {word}",
                source.path.display()
            );
        }
    }
}
