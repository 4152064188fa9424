//! `~` at the beginning of a path, wherever the path comes from.
//!
//! A shell expands it in most places, but not in `--state=~/x`, in a unit of a service manager or in a file. Taken as it
//! stands it is a directory of that name, with the secret in it.

use std::path::{Component, Path, PathBuf};

/// The error of a path that begins with `~`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HomeError {
    /// There is no home directory.
    #[error("{}: `~/` needs HOME, which is not set", .0.display())]
    None(PathBuf),
    /// It is the home directory of another user.
    #[error("{}: the home of another user is not looked up; give the whole path", .0.display())]
    Other(PathBuf),
}

/// Returns the path with the home directory in place of `~`. A directory that is named so is `./~`.
///
/// # Errors
/// Errors if there is no home directory, or it is another user's.
pub fn expanded(path: &Path) -> Result<PathBuf, HomeError> {
    expanded_in(path, std::env::var_os("HOME").map(PathBuf::from))
}

fn expanded_in(path: &Path, home: Option<PathBuf>) -> Result<PathBuf, HomeError> {
    let mut parts = path.components();
    match parts.next() {
        Some(Component::Normal(first)) if first == "~" => {
            let home = home.filter(|home| !home.as_os_str().is_empty());
            let home = home.ok_or_else(|| HomeError::None(path.to_owned()))?;
            Ok(home.join(parts.as_path()))
        }
        Some(Component::Normal(first)) if first.as_encoded_bytes().starts_with(b"~") => {
            Err(HomeError::Other(path.to_owned()))
        }
        _ => Ok(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(path: &str) -> Result<PathBuf, HomeError> {
        expanded_in(Path::new(path), Some("/home/me".into()))
    }

    #[test]
    fn a_tilde_at_the_beginning_is_the_home_directory() {
        for (path, expected) in [
            ("~", "/home/me"),
            ("~/st", "/home/me/st"),
            ("./~/st", "./~/st"),
            ("st/~", "st/~"),
            ("st~", "st~"),
            ("/~/st", "/~/st"),
            ("", ""),
        ] {
            assert_eq!(expand(path), Ok(expected.into()), "{path}");
        }
    }

    #[test]
    fn a_home_of_nobody_or_of_somebody_else_is_refused() {
        for path in ["~root/st", "~st", "~~"] {
            assert_eq!(expand(path), Err(HomeError::Other(path.into())));
        }
        for home in [None, Some(PathBuf::new())] {
            let refused = expanded_in(Path::new("~/st"), home);
            assert_eq!(refused, Err(HomeError::None("~/st".into())));
        }
    }
}
