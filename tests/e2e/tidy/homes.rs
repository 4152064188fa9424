//! A foreign library has one home.

use super::tree::{PACKAGES, SOURCES};

/// A library, by its package name, the packages that may depend on it, and the places whose code may name it.
struct Home {
    library: &'static str,
    packages: &'static [&'static str],
    /// Beginnings of paths. Empty: anywhere in the packages.
    rooms: &'static [&'static str],
}

const fn home(
    library: &'static str,
    packages: &'static [&'static str],
    rooms: &'static [&'static str],
) -> Home {
    Home {
        library,
        packages,
        rooms,
    }
}

const HTTP: &[&str] = &[
    "node/core/src/server",
    "node/transport/src",
    "node/src/control",
    "ctl/src/connection/channel",
    "ctl/src/download",
];
/// Content, and places in a distributed hash table.
const HASHES: &[&str] = &[
    "node/wire/src/pieces",
    "node/transport/src/network",
    "node/discovery/src/infohash",
    "plugins/documents/src/kept",
];
/// What runs in workers alone.
const READERS: &[&str] = &["plugins/documents/src/readers"];
/// The second one has a module of that name, which writes archives.
const UNPACKING: &[&str] = &["plugins/documents/src/readers", "node/core/src/server/web"];
const TLS: &[&str] = &["node/transport/src/tls", "node/transport/src/stream"];
const SHARE: &[&str] = &["node/share/src"];
/// Dropped files go into the share from the page.
const FILES: &[&str] = &["node/share/src", "ctl/src/ui/upload"];
const SYSTEM: &[&str] = &[
    "node/share/src",
    "node/base/src/state",
    "node/base/src/platform",
    "plugins/host/src/rights",
    "plugins/process/src",
    "plugins/host/src/priority",
    "plugins/script/src/background",
    "plugins/documents/src/jailer",
];

const HOMES: &[Home] = &[
    home("xmlrpc", &["node-wire"], &[]),
    home("quick-xml", &["node-wire", "plugin-documents"], &[]),
    home("base64", &["node-wire", "plugin-process"], &[]),
    home(
        "encoding_rs",
        &["node-wire", "plugin-documents"],
        &[
            "node/wire/src/encoding",
            "node/wire/tests",
            "plugins/documents/src/readers",
        ],
    ),
    home("unicode-normalization", &["node-wire", "plugin-words"], &[]),
    home("unicode-properties", &["node-wire"], &[]),
    home("jsonrpsee", &["node-api", "node", "ctl"], &[]),
    home("jsonrpsee-http-client", &["ctl"], &["ctl/src"]),
    home("jsonrpsee-ws-client", &["ctl"], &["ctl/src"]),
    home("schemars", &["node-api", "node"], &[]),
    home("axum", &["node-core"], &["node/core/src/server"]),
    home(
        "hyper",
        &["node-core", "node-transport", "node", "ctl"],
        HTTP,
    ),
    home(
        "hyper-util",
        &["node-core", "node-transport", "node", "ctl"],
        HTTP,
    ),
    home(
        "ed25519-dalek",
        &["node-transport"],
        &["node/transport/src/identity"],
    ),
    home("rustls", &["node-transport"], TLS),
    home("tokio-rustls", &["node-transport"], TLS),
    home(
        "blake3",
        &[
            "node-wire",
            "node-transport",
            "node-discovery",
            "plugin-documents",
        ],
        HASHES,
    ),
    home(
        "ipnet",
        &["node-discovery", "plugin-script"],
        &["node/discovery/src", "plugins/script/src/policy/network"],
    ),
    home("mdns-sd", &["node-discovery"], &["node/discovery/src/lan"]),
    home(
        "if-addrs",
        &["node-discovery"],
        &["node/discovery/src/networks"],
    ),
    home(
        "mainline",
        &["node-discovery", "e2e"],
        &["node/discovery/src/dht/mainline", "tests/e2e/discovery"],
    ),
    home("fast_qr", &["ctl"], &["ctl/src/qr"]),
    home("jiff", &["node-base"], &["node/base/src/schedule"]),
    home(
        "socket2",
        &["node-base", "e2e"],
        &["node/base/src/platform", "tests/src/deserted"],
    ),
    home(
        "nix",
        &["node-base", "node"],
        &[
            "node/base/src/platform",
            "node/src/supervisor",
            "node/src/sandbox",
        ],
    ),
    home("redb", &["node-share"], SHARE),
    home("cap-std", &["node-share", "ctl"], FILES),
    home("cap-fs-ext", &["node-share", "ctl"], FILES),
    home(
        "rustix",
        &[
            "node-base",
            "node-share",
            "plugin-documents",
            "plugin-host",
            "plugin-process",
            "plugin-script",
        ],
        SYSTEM,
    ),
    home("globset", &["plugin-filename"], &[]),
    home(
        "tantivy",
        &["plugin-content"],
        &["plugins/content/src/store"],
    ),
    home(
        "crc32fast",
        &["plugin-content", "node-core"],
        &["plugins/content/src/store", "node/core/src/server/web/zip"],
    ),
    home("grep-matcher", &["plugin-content"], &[]),
    home("grep-regex", &["plugin-content"], &[]),
    home("grep-searcher", &["plugin-content"], &[]),
    home(
        "regex-syntax",
        &["plugin-content"],
        &["plugins/content/src/pattern"],
    ),
    home(
        "encoding_rs_io",
        &["plugin-content"],
        &["plugins/content/src/source"],
    ),
    home("clap", &["node", "ctl"], &[]),
    home("clap_complete", &["ctl"], &[]),
    home("clap_mangen", &["ctl"], &[]),
    home("rhai", &["ctl", "plugin-script"], &[]),
    home("rustyline", &["ctl"], &[]),
    home("indicatif", &["ctl"], &["ctl/src/output"]),
    home("terminal_size", &["ctl"], &["ctl/src/output"]),
    home("unicode-width", &["ctl"], &["ctl/src/output"]),
    home("regex", &["ctl"], &["ctl/src/script"]),
    home("toml", &["node"], &[]),
    home("mimalloc", &["node"], &["node/src/program.rs"]),
    home("landlock", &["node"], &["node/src/sandbox"]),
    home("libc", &["node"], &["node/src/sandbox"]),
    home("seccompiler", &["node"], &["node/src/sandbox"]),
    home("zip", &["plugin-documents"], UNPACKING),
    home("html5ever", &["plugin-documents"], READERS),
    home("chardetng", &["plugin-documents"], READERS),
    home("pdf-extract", &["plugin-documents"], READERS),
    home("kamadak-exif", &["plugin-documents"], READERS),
    home("lofty", &["plugin-documents"], READERS),
    home("tiny_http", &["ctl"], &["ctl/src/ui"]),
    home("httparse", &["ctl"], &["ctl/src/ui/door"]),
    home("notify", &["node-share"], &["node/share/src/watcher"]),
    home(
        "levenshtein_automata",
        &["node-share"],
        &["node/share/src/catalogue/vocabulary"],
    ),
    home(
        "tantivy-fst",
        &["node-share"],
        &["node/share/src/catalogue/vocabulary"],
    ),
    home("ignore", &["node-share"], &["node/share/src/ignoring"]),
];

#[test]
fn only_the_home_of_a_library_depends_on_it() {
    for package in PACKAGES.iter() {
        for home in HOMES {
            let uses = package.dependencies.iter().any(|d| d == home.library);
            assert!(
                !uses || home.packages.contains(&package.name.as_str()),
                "{} depends on {}, whose home is {:?}",
                package.name,
                home.library,
                home.packages
            );
        }
    }
}

#[test]
fn only_the_rooms_of_a_library_name_it() {
    for source in SOURCES.iter() {
        let code = source.code();
        for home in HOMES.iter().filter(|h| !h.rooms.is_empty()) {
            let name = home.library.replace('-', "_");
            assert!(
                !names(&code, &name) || home.rooms.iter().any(|room| begins(source, room)),
                "{} names {name}, whose rooms are {:?}",
                source.path.display(),
                home.rooms
            );
        }
    }
}

/// The one door for blocking work.
const DOOR: &str = "node/base/src/disk.rs";

#[test]
fn blocking_work_goes_through_its_one_door() {
    for source in SOURCES.iter().filter(|source| !begins(source, "tests")) {
        let blocks = source.code().contains("spawn_blocking(");
        assert!(
            !blocks || begins(source, DOOR),
            "{} starts blocking work beside {DOOR}",
            source.path.display()
        );
    }
}

/// The rooms that may ask which system this is. Sandbox and limits of programs are calls that only Linux has.
const PLATFORM: &[&str] = &[
    "node/base/src/platform",
    "node/src/sandbox",
    "plugins/process/src/limits",
    "plugins/host/src/priority",
    "plugins/script/src/background",
];

#[test]
fn only_the_platform_asks_which_system_this_is() {
    let questions = [
        "cfg(unix)",
        "cfg(not(unix))",
        "cfg(windows)",
        "target_os",
        "target_family",
    ];
    let is_test = |path: &std::path::Path| path.iter().any(|part| part == "tests");
    let production = SOURCES.iter().filter(|source| !is_test(&source.path));
    for source in production.filter(|s| !PLATFORM.iter().any(|room| begins(s, room))) {
        for question in questions {
            assert!(
                !source.code().contains(question),
                "{} asks {question}; that belongs into {}",
                source.path.display(),
                PLATFORM[0]
            );
        }
    }
}

/// The one clock of a node, which a test can pause.
const CLOCK: &str = "node/base/src/clock.rs";

#[test]
fn a_node_asks_one_clock_for_the_time() {
    let is_test = |path: &std::path::Path| {
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let parts = path.iter().filter_map(|part| part.to_str());
        ["tests", "model"].contains(&stem.unwrap_or_default())
            || parts
                .into_iter()
                .any(|part| part == "tests" || part == "examples")
    };
    let production = SOURCES.iter().filter(|source| !is_test(&source.path));
    for source in production.filter(|source| begins(source, "node/") && !begins(source, CLOCK)) {
        let lines = source.text.lines().take(source.lines_before_tests());
        assert!(
            lines
                .into_iter()
                .all(|line| !line.contains("Instant::now()")),
            "{} has a clock of its own beside {CLOCK}",
            source.path.display()
        );
    }
}

/// The code of messages between nodes, and of decisions about each other.
const BETWEEN_NODES: &[&str] = &[
    "node/wire/src",
    "node/base/src/bucket",
    "node/transport/src",
    "node/overlay/src",
    "node/core/src/server",
    "node/discovery/src",
];

/// The time of a peer's last answer, for its owner to see.
const SHOWN: &str = "node/overlay/src/peers/entry.rs";

#[test]
fn nothing_between_nodes_depends_on_the_time_of_day() {
    for source in SOURCES.iter() {
        let is_between = BETWEEN_NODES.iter().any(|room| begins(source, room));
        let asks = source.code().contains("SystemTime::now");
        assert!(
            !(is_between && asks) || begins(source, SHOWN),
            "{} asks for the time of day",
            source.path.display()
        );
    }
    let shown = SOURCES.iter().find(|source| begins(source, SHOWN));
    let shown = shown.expect("the entry of a peer is there").code();
    assert_eq!(shown.matches("SystemTime::now").count(), 1);
    assert!(!shown.contains(".elapsed()") && !shown.contains("duration_since(self.last_answer"));
}

fn begins(source: &super::tree::Source, room: &str) -> bool {
    source.path.to_string_lossy().starts_with(room)
}

/// Returns true if code uses a crate of this name: `name::` with nothing before it that makes it another name.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let whole = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        whole && code[at + name.len()..].starts_with("::")
    })
}

#[test]
fn a_name_is_seen_only_where_it_begins_a_path() {
    assert!(names("use axum::Router;", "axum"));
    assert!(names("fn f(x: &axum::Router)", "axum"));
    assert!(!names("crate::axum::Router", "axum"));
    assert!(!names("my_axum::Router", "axum"));
    assert!(!names("let axum = 1;", "axum"));
}
