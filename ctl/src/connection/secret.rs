//! The secret: looked for in `STATE/secret`, then `SIXHOP_SECRET_FILE`, then `SIXHOP_SECRET`.
//!
//! # Invariants
//! - A file that others own or have permissions on is refused.
//! - No error and no `Debug` holds the secret.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use node_base::{
    secret::secret_in,
    state::private::{self, NotPrivate},
};
use secrecy::{ExposeSecret, SecretString};

use crate::error::CtlError;

/// The variable that names another secret file.
const FILE_VARIABLE: &str = "SIXHOP_SECRET_FILE";

/// The variable that holds the secret itself.
const VARIABLE: &str = "SIXHOP_SECRET";

/// Longest secret that is read, in bytes.
const LONGEST: u64 = 4096;

/// A secret and where it came from, in words for an error.
#[derive(Debug)]
pub(crate) struct FoundSecret {
    pub(crate) value: SecretString,
    pub(crate) source: String,
}

/// Finds the secret for the node with this state directory.
pub(crate) fn find(state: &Path) -> Result<FoundSecret, CtlError> {
    let named = env::var_os(FILE_VARIABLE).map(PathBuf::from);
    let direct = env::var(VARIABLE).ok().map(SecretString::from);
    choose(&state.join("secret"), named, direct)
}

fn choose(
    file: &Path,
    named: Option<PathBuf>,
    direct: Option<SecretString>,
) -> Result<FoundSecret, CtlError> {
    if let Some(found) = read_if_there(file)? {
        return Ok(found);
    }
    if let Some(named) = named {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        return read_if_there(&named)?.ok_or_else(|| CtlError::file("read", &named, missing()));
    }
    match direct {
        Some(value) => checked(&value, VARIABLE.to_owned()),
        None => Err(CtlError::NoSecret {
            file: file.to_owned(),
        }),
    }
}

fn read_if_there(file: &Path) -> Result<Option<FoundSecret>, CtlError> {
    let read = private::read(file, LONGEST);
    let read = read.map_err(|error| CtlError::file("read the secret from", file, error))?;
    let owned = || file.to_owned();
    let text = match read {
        None => return Ok(None),
        Some(Err(NotPrivate::Owner)) => return Err(CtlError::SecretForeign { file: owned() }),
        Some(Err(NotPrivate::Open)) => return Err(CtlError::SecretReadable { file: owned() }),
        Some(Ok(text)) => text,
    };
    checked(&SecretString::from(text), file.display().to_string()).map(Some)
}

/// Returns the secret without white space around it, if it is one.
fn checked(text: &SecretString, source: String) -> Result<FoundSecret, CtlError> {
    match secret_in(text.expose_secret()) {
        Ok(secret) => Ok(FoundSecret {
            value: SecretString::from(secret),
            source,
        }),
        Err(reason) => Err(CtlError::BadSecret(source, reason)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "tests make the files that are read"
    )]

    use std::{fs, os::unix::fs::PermissionsExt};

    use node_base::secret::BadSecret;

    use super::*;

    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Home {
            Home(tempfile::tempdir().unwrap())
        }

        fn put(&self, name: &str, text: &str, mode: u32) -> PathBuf {
            let file = self.0.path().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            file
        }
    }

    fn value(found: Result<FoundSecret, CtlError>) -> String {
        found.unwrap().value.expose_secret().to_owned()
    }

    #[test]
    fn the_file_comes_first_then_the_named_file_then_the_variable() {
        let home = Home::new();
        let absent = home.0.path().join("absent");
        let [one, two, three] = ["1", "2", "3"].map(|digit| digit.repeat(64));
        let file = home.put("secret", &format!("{one}\n"), 0o600);
        let named = home.put("named", &two, 0o400);
        let direct = || Some(SecretString::from(three.clone()));
        assert_eq!(value(choose(&file, Some(named.clone()), direct())), one);
        assert_eq!(value(choose(&absent, Some(named), direct())), two);
        assert_eq!(value(choose(&absent, None, direct())), three);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_what_to_do() {
        let home = Home::new();
        for mode in [0o640, 0o604, 0o644, 0o660] {
            let file = home.put("secret", "one", mode);
            let error = choose(&file, None, None).unwrap_err();
            assert_eq!(error.exit_code(), 24);
            let advice = format!("chmod 600 {}", file.display());
            assert!(error.to_string().contains(&advice), "{error}");
        }
    }

    #[test]
    fn a_named_file_that_is_missing_is_an_error() {
        let home = Home::new();
        let absent = home.0.path().join("absent");
        let error = choose(&absent, Some(absent.clone()), None).unwrap_err();
        assert!(matches!(error, CtlError::File { .. }), "{error}");
    }

    #[test]
    fn an_empty_or_odd_secret_is_refused() {
        let home = Home::new();
        let long = "1".repeat(64);
        let (lines, marked) = (format!("{long}\n{long}"), format!("\u{feff}{long}"));
        for (text, expected) in [
            ("", BadSecret::Empty),
            ("\n", BadSecret::Empty),
            (&"0".repeat(64), BadSecret::Empty),
            (&"\0".repeat(64), BadSecret::Empty),
            ("two words", BadSecret::Line),
            (&lines, BadSecret::Line),
            (&marked, BadSecret::Line),
            (&"\u{e9}".repeat(32), BadSecret::Line),
            ("short", BadSecret::Short),
        ] {
            let file = home.put("secret", text, 0o600);
            let error = choose(&file, None, None).unwrap_err();
            let is_expected = matches!(error, CtlError::BadSecret(_, reason) if reason == expected);
            assert!(is_expected, "{text:?}: {error}");
        }
    }

    #[test]
    fn no_error_and_no_debug_text_holds_the_secret() {
        let home = Home::new();
        let file = home.put("secret", "hush hush", 0o600);
        let error = choose(&file, None, None).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"));
        let good = home.put("good", &"hush".repeat(16), 0o600);
        assert!(!format!("{:?}", choose(&good, None, None)).contains("hush"));
    }
}
