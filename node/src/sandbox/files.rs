//! Files that this process can open: those of the share and the state, what the settings name, and, to read, those of
//! the system.

use node_api::node::LayerState;

use crate::settings::Settings;

/// Holds this process, and those that it starts, to these files from now on.
#[cfg(target_os = "linux")]
pub(super) fn confine(settings: &Settings) -> LayerState {
    match linux::confine(settings) {
        Ok(true) => LayerState::Held,
        Ok(false) => {
            super::unavailable(&"this kernel does not have Landlock, or it is switched off")
        }
        Err(error) => super::unavailable(&error),
    }
}

/// This system has no such layer.
#[cfg(not(target_os = "linux"))]
pub(super) fn confine(_: &Settings) -> LayerState {
    super::unavailable(&"only Linux has Landlock")
}

#[cfg(target_os = "linux")]
mod linux {
    use std::path::{Path, PathBuf};

    use landlock::{
        ABI, Access, AccessFs, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
        RulesetStatus, path_beneath_rules,
    };
    use node_base::state::StateDir;

    use crate::{cli::ReadDocuments, settings::Settings};

    /// What the kernel runs beside a program to load its libraries.
    const LOADERS: [&str; 3] = [
        "/lib64/ld-linux-x86-64.so.2",
        "/lib/ld-linux-aarch64.so.1",
        "/lib/ld-linux-riscv64-lp64d.so.1",
    ];

    /// The newest rights that are asked for; an older kernel gives those that it knows.
    const RIGHTS: ABI = ABI::V5;

    /// The files that the libraries of every process read: resolvers, certificates, time zones, what the kernel says.
    const OF_SYSTEM: [&str; 9] = [
        "/etc", "/usr", "/lib", "/lib64", "/bin", "/sbin", "/proc", "/sys", "/run",
    ];

    /// Where programs of handlers may write beside what they are given.
    const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

    /// The files that a process may open.
    struct Opened {
        /// To read.
        read: Vec<PathBuf>,
        /// To run.
        run: Vec<PathBuf>,
        /// To read, write, make and remove.
        written: Vec<PathBuf>,
    }

    impl Opened {
        fn of(settings: &Settings) -> Opened {
            let mut read: Vec<PathBuf> = OF_SYSTEM.map(PathBuf::from).into();
            read.extend(settings.read_files.iter().cloned());
            let mut written = vec![
                settings.node.share.clone(),
                settings.state.clone(),
                "/dev".into(),
            ];
            let mut run = Vec::new();
            if settings.documents == ReadDocuments::On {
                // Workers are this program once more.
                run.extend(std::env::current_exe());
                run.extend(LOADERS.map(PathBuf::from));
            }
            if settings.plugins.is_some() {
                // Programs are anywhere, and so is what they read. What they may write is not.
                run.push("/".into());
                written.extend(TEMPORARY.map(PathBuf::from));
            }
            Opened { read, run, written }
        }
    }

    /// Returns whether the kernel holds this process to it.
    pub(super) fn confine(settings: &Settings) -> Result<bool, RulesetError> {
        // A rule is for a directory that is there. If there can be none, the start says why.
        let _ = StateDir::open(&settings.state);
        let opened = Opened::of(settings);
        let all = AccessFs::from_all(RIGHTS);
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let status = Ruleset::default()
            .handle_access(all)?
            .create()?
            .add_rules(rules(&opened.read, read))?
            .add_rules(rules(&opened.run, read | AccessFs::Execute))?
            .add_rules(rules(&opened.written, all & !AccessFs::Execute))?
            .restrict_self()?;
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    }

    /// The rules for paths. One that is not there has none.
    fn rules(
        paths: &[PathBuf],
        access: impl Into<BitFlags<AccessFs>>,
    ) -> impl Iterator<Item = Result<landlock::PathBeneath<landlock::PathFd>, RulesetError>> {
        path_beneath_rules(paths.iter().map(Path::new), access)
    }

    #[cfg(test)]
    #[allow(
        clippy::disallowed_methods,
        reason = "the test looks at files as an intruder does"
    )]
    mod tests {
        use std::{fs, io::ErrorKind, process::Command, thread};

        use super::*;
        use crate::cli::NodeArgs;

        #[test]
        fn only_share_and_state_are_written_and_nothing_else_read() {
            let home = tempfile::tempdir().unwrap();
            let (share, state) = (home.path().join("share"), home.path().join("state"));
            let private = home.path().join("private");
            fs::create_dir(&share).unwrap();
            fs::write(share.join("a.txt"), "a").unwrap();
            fs::write(&private, "private").unwrap();
            let settings = Settings::resolve(NodeArgs {
                share: Some(share.clone()),
                state: Some(state.clone()),
                ..NodeArgs::default()
            });
            let settings = settings.unwrap();
            // The layer is for the thread that puts it on, and for those that it starts.
            let confined = thread::spawn(move || {
                if !confine(&settings).unwrap() {
                    return;
                }
                let refused = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
                assert!(fs::read(&private).is_err_and(refused));
                assert!(fs::write(&private, "x").is_err_and(refused));
                assert!(fs::read_dir(private.parent().unwrap()).is_err_and(refused));
                assert!(Command::new("/bin/true").status().is_err_and(refused));
                assert_eq!(fs::read(share.join("a.txt")).unwrap(), b"a");
                fs::write(share.join("b.txt"), "b").unwrap();
                fs::rename(share.join("b.txt"), state.join("b.txt")).unwrap();
                assert!(fs::read("/etc/hosts").is_ok());
                assert!(
                    thread::spawn(move || fs::read(private))
                        .join()
                        .unwrap()
                        .is_err_and(refused)
                );
            });
            confined.join().unwrap();
        }
    }
}
