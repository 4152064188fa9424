//! The text that a node is shown: a token, if a file with one was given; else the secret, from `STATE/secret`, then
//! `SIXHOP_SECRET_FILE`, then `SIXHOP_SECRET`.
//!
//! # Invariants
//! - A file that others own or have permissions on is refused.
//! - No error and no `Debug` holds the secret or a token.
//! - If a token was to be shown, the secret is not read.

use std::{
    env, fmt, io,
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

/// The kind and the source of what is shown to a node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ShownRight {
    /// The secret, from a file or a variable.
    Secret(String),
    /// The token in a file.
    Token(PathBuf),
}

impl fmt::Display for ShownRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShownRight::Secret(source) => write!(f, "the secret from {source}"),
            ShownRight::Token(file) => write!(f, "the token in {}", file.display()),
        }
    }
}

impl ShownRight {
    /// Returns what to do if a node does not accept it.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            ShownRight::Secret(_) => "give ctl the state directory of that node with --state DIR",
            ShownRight::Token(_) => {
                "it was removed, has expired or is for another node; `ctl token ls`, with the secret, lists the tokens"
            }
        }
    }
}

/// Reads the token in a file.
pub(crate) fn token(file: &Path) -> Result<SecretString, CtlError> {
    let text = read_private(file)?.ok_or_else(|| missing(file))?;
    match secret_in(text.expose_secret()) {
        Ok(token) => Ok(SecretString::from(token)),
        Err(reason) => Err(CtlError::BadToken {
            file: file.to_owned(),
            reason,
        }),
    }
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
        return read_if_there(&named)?.ok_or_else(|| missing(&named));
    }
    match direct {
        Some(value) => checked(&value, VARIABLE.to_owned()),
        None => Err(CtlError::NoSecret {
            file: file.to_owned(),
        }),
    }
}

fn missing(file: &Path) -> CtlError {
    CtlError::file("read", file, io::ErrorKind::NotFound.into())
}

fn read_if_there(file: &Path) -> Result<Option<FoundSecret>, CtlError> {
    let text = read_private(file)?;
    let found = text.map(|text| checked(&text, file.display().to_string()));
    found.transpose()
}

fn read_private(file: &Path) -> Result<Option<SecretString>, CtlError> {
    let read = private::read(file, LONGEST);
    let read = read.map_err(|error| CtlError::file("read the secret from", file, error))?;
    let owned = || file.to_owned();
    match read {
        None => Ok(None),
        Some(Err(NotPrivate::Owner)) => Err(CtlError::SecretForeign { file: owned() }),
        Some(Err(NotPrivate::Open)) => Err(CtlError::SecretReadable { file: owned() }),
        Some(Ok(text)) => Ok(Some(text.into())),
    }
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
    fn a_token_is_read_from_its_private_file_alone() {
        let home = Home::new();
        let text = format!("sixhop_{}", "1".repeat(64));
        let file = home.put("token", &format!("{text}\n"), 0o600);
        assert_eq!(token(&file).unwrap().expose_secret(), text);
        let file = home.put("open", &text, 0o640);
        assert_eq!(token(&file).unwrap_err().exit_code(), 24);
        let file = home.put("short", "sixhop_1", 0o600);
        assert!(matches!(token(&file), Err(CtlError::BadToken { .. })));
        let absent = home.0.path().join("absent");
        assert_eq!(token(&absent).unwrap_err().exit_code(), 3);
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
