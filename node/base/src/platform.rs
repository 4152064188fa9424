//! The parts of the code that differ between systems. A test holds that no other room asks which system this is.
//!
//! Linux is where the programs are tested. macOS has the same calls but for those that say so here: without them a node
//! is slower or knows less, and no promise is weaker. Windows lacks Unix sockets for `ctl`, process groups for
//! programs, and modes of files for the secret; nothing here pretends that it has them.

#[cfg(not(unix))]
compile_error!(
    "Sixhop needs a Unix system: sockets in the state directory, private files by mode, process groups"
);

pub mod files;
pub mod mounts;
pub mod process;
pub mod processor;
pub mod space;
pub mod unacked;
pub mod usage;

/// Returns the name of this machine, without its domain; `None` if it has none.
#[must_use]
pub fn host_name() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    let first = name.split('.').next().unwrap_or_default();
    (!first.is_empty()).then(|| first.to_owned())
}

/// Returns the program that shows an address in the browser of the user, who may have a screen; `None` if none can.
#[must_use]
pub fn opener(has_screen: bool) -> Option<&'static str> {
    if cfg!(target_os = "macos") {
        Some("open")
    } else {
        has_screen.then_some("xdg-open")
    }
}
