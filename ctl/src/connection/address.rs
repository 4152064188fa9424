//! The address of the node: one line in `STATE/control`.
#![allow(
    clippy::disallowed_methods,
    reason = "reads a state file that the person at the machine named"
)]

use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::error::CtlError;

/// The variable that names the state directory.
pub(crate) const STATE_VARIABLE: &str = "SIXHOP_STATE";

/// Returns the state directory when none is given: `$XDG_STATE_HOME/sixhop`, else `~/.local/state/sixhop`.
pub(crate) fn default_state() -> Result<PathBuf, CtlError> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    below(absolute("XDG_STATE_HOME"), absolute("HOME")).ok_or_else(|| {
        CtlError::usage("there is no home directory to find the state in; give --state DIR")
    })
}

fn below(xdg: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let base = xdg.or_else(|| home.map(|home| home.join(".local/state")));
    base.map(|base| base.join("sixhop"))
}

/// Reads the address that a node wrote into its state directory, and says from which file.
pub(crate) fn read(state: &Path) -> Result<(SocketAddr, PathBuf), CtlError> {
    let file = state.join("control");
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(CtlError::NoControlFile { file });
        }
        Err(error) => return Err(CtlError::file("read", &file, error)),
    };
    match text.trim().parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() && address.port() != 0 => Ok((address, file)),
        _ => Err(CtlError::BadControlFile { file }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(text: &str) -> Result<(SocketAddr, PathBuf), CtlError> {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("control"), text).unwrap();
        read(state.path())
    }

    #[test]
    fn one_line_with_an_address_is_read() {
        for text in ["127.0.0.1:4243\n", "127.0.0.1:4243", "[::1]:4243\n"] {
            assert_eq!(read_from(text).unwrap().0.port(), 4243, "{text}");
        }
    }

    #[test]
    fn the_secret_never_leaves_the_machine() {
        for text in [
            "192.0.2.1:4243",
            "0.0.0.0:4243",
            "example.org:4243",
            "",
            "127.0.0.1:0",
        ] {
            assert!(
                matches!(read_from(text), Err(CtlError::BadControlFile { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn without_a_file_there_is_no_node() {
        let state = tempfile::tempdir().unwrap();
        let error = read(state.path()).unwrap_err();
        assert_eq!(error.exit_code(), 6);
        assert!(error.to_string().contains("noded --share DIR"), "{error}");
    }

    #[test]
    fn the_state_lies_where_the_desktop_says() {
        let xdg = Some(PathBuf::from("/x"));
        let home = Some(PathBuf::from("/h"));
        assert_eq!(below(xdg, home.clone()), Some("/x/sixhop".into()));
        assert_eq!(below(None, home), Some("/h/.local/state/sixhop".into()));
        assert_eq!(below(None, None), None);
    }
}
