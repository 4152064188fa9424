//! The file of settings: it is read, or refused in one sentence that is no escape sequence.

#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use node::{Settings, cli::NodeArgs};

/// A directory of this process alone.
static HOME: LazyLock<PathBuf> = LazyLock::new(|| {
    let home = std::env::temp_dir().join(format!("sixhop-fuzz-settings-{}", std::process::id()));
    fs::create_dir_all(home.join("share")).expect("a directory can be made");
    home
});

fuzz_target!(|text: &str| {
    let config = HOME.join("sixhop.toml");
    fs::write(&config, text).expect("a file can be written");
    let args = NodeArgs {
        share: Some(HOME.join("share")),
        state: Some(HOME.join("state")),
        config: Some(config),
        ..NodeArgs::default()
    };
    match Settings::resolve(args) {
        Ok(settings) => assert!(settings.control.ip().is_loopback()),
        Err(error) => {
            let error = error.to_string();
            assert!(!error.is_empty() && !error.contains('\u{1b}'), "{error:?}");
        }
    }
    assert!(!HOME.join("state").exists(), "reading settings makes nothing");
});
