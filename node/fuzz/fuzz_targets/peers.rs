//! The file of peers: a line is a peer, or is told to the owner in one line.

#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use node::{Settings, cli::NodeArgs};

/// A directory of this process alone.
static HOME: LazyLock<PathBuf> = LazyLock::new(|| {
    let home = std::env::temp_dir().join(format!("sixhop-fuzz-peers-{}", std::process::id()));
    fs::create_dir_all(home.join("share")).expect("a directory can be made");
    home
});

fuzz_target!(|bytes: &[u8]| {
    let peers = HOME.join("urls.txt");
    fs::write(&peers, bytes).expect("a file can be written");
    let args = NodeArgs {
        share: Some(HOME.join("share")),
        state: Some(HOME.join("state")),
        peers: Some(peers),
        ..NodeArgs::default()
    };
    let settings = Settings::resolve(args).expect("no line ends the start of a node");
    let lines = String::from_utf8_lossy(bytes).lines().count();
    assert!(settings.node.peers.len() + settings.skipped.len() <= lines);
    for line in &settings.skipped {
        assert!(!line.contains(['\n', '\u{1b}']), "{line:?}");
    }
});
