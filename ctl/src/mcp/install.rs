//! Telling a client about the server: a token of its own, and an entry in its configuration.
//!
//! # Invariants
//! - No argument and no configuration has the token; they have the name of its file, which its owner alone can read.
//! - The configuration of a client is changed whole or not at all, and what else is in it stays.
#![allow(
    clippy::disallowed_methods,
    reason = "reads and writes configuration in the home directory of the person at the machine"
)]

use std::{
    env, fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use node_base::home::expanded;
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use crate::{error::CtlError, output::shell_word};

/// Name of the server in configurations.
const SERVER: &str = "sixhop";

/// Longest configuration that is read, in bytes.
const CONFIGURATION_MAX: u64 = 4 * 1024 * 1024;

/// A text for models that says when and how to use the tools.
pub(crate) const SKILL: &str = include_str!("skill.md");

/// A program whose entry is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Client {
    /// Claude Code, by its command line.
    Claude,
    /// Codex, by its command line.
    Codex,
    /// Cursor, by `~/.cursor/mcp.json`.
    Cursor,
}

impl Client {
    /// Returns its name, which is that of its token, too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Client::Claude => "claude",
            Client::Codex => "codex",
            Client::Cursor => "cursor",
        }
    }

    /// Makes the entry of the server that `command` starts.
    pub(crate) fn enter(self, command: &[String]) -> Result<(), CtlError> {
        match self {
            Client::Claude => {
                by_program(
                    "claude",
                    &["mcp", "add", "--scope", "user", SERVER, "--"],
                    command,
                )?;
                skill(&home("~/.claude/skills/sixhop/SKILL.md")?)
            }
            Client::Codex => by_program("codex", &["mcp", "add", SERVER, "--"], command),
            Client::Cursor => in_file(&home("~/.cursor/mcp.json")?, command),
        }
    }
}

/// Returns where the token of a client is kept.
pub(crate) fn token_file(client: Client) -> Result<PathBuf, CtlError> {
    let configured = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let base = match configured.filter(|path| path.is_absolute()) {
        Some(base) => base,
        None => home("~/.config")?,
    };
    let directory = base.join("sixhop");
    fs::create_dir_all(&directory).map_err(|error| CtlError::file("make", &directory, error))?;
    Ok(directory.join(format!("{}.token", client.name())))
}

/// Removes a token that gives no right any more.
pub(crate) fn forget(token_file: &Path) -> Result<(), CtlError> {
    match fs::remove_file(token_file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(CtlError::file("remove", token_file, error))
        }
        _ => Ok(()),
    }
}

/// Returns the command that starts the server for a client.
pub(crate) fn command(
    state: &Path,
    token_file: &Path,
    allows_fetch: bool,
) -> Result<Vec<String>, CtlError> {
    let program = env::current_exe()
        .map_err(|error| CtlError::failed(format!("cannot find this program: {error}")))?;
    let mut command = vec![
        text(&program)?,
        "--state".to_owned(),
        text(state)?,
        "--token-file".to_owned(),
        text(token_file)?,
        "mcp".to_owned(),
    ];
    if allows_fetch {
        command.push("--allow-fetch".to_owned());
    }
    Ok(command)
}

fn text(path: &Path) -> Result<String, CtlError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| CtlError::usage(format!("{} is not UTF-8", path.display())))
}

fn home(path: &str) -> Result<PathBuf, CtlError> {
    expanded(Path::new(path)).map_err(|error| CtlError::usage(error.to_string()))
}

/// Has the program of a client make the entry.
fn by_program(program: &str, before: &[&str], command: &[String]) -> Result<(), CtlError> {
    let ran = Command::new(program)
        .args(before)
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    let words = before.iter().map(|word| (*word).to_owned());
    let words = std::iter::once(program.to_owned()).chain(words);
    let words = words.chain(command.iter().cloned());
    let by_hand = || {
        let words: Vec<_> = words.map(|word| shell_word(&word)).collect();
        words.join(" ")
    };
    match ran {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(CtlError::failed(format!(
            "{program} did not take the entry; if it has one named {SERVER}, remove that; then run: {}",
            by_hand()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(CtlError::failed(format!(
            "there is no program {program} here; where it is, run: {}",
            by_hand()
        ))),
        Err(error) => Err(CtlError::failed(format!("cannot run {program}: {error}"))),
    }
}

/// Makes the entry in a file of JSON, whose other entries stay.
fn in_file(file: &Path, command: &[String]) -> Result<(), CtlError> {
    let broken = |reason: &str| {
        CtlError::failed(format!(
            "{} {reason}; mend it, and run this again",
            file.display()
        ))
    };
    let mut all = match read(file)? {
        None => Map::new(),
        Some(text) if text.trim().is_empty() => Map::new(),
        Some(text) => match serde_json::from_str(&text) {
            Ok(Value::Object(all)) => all,
            _ => return Err(broken("is no object of JSON")),
        },
    };
    let servers = all.entry("mcpServers").or_insert_with(|| json!({}));
    let Value::Object(servers) = servers else {
        return Err(broken("has `mcpServers` that is no object"));
    };
    let (program, arguments) = (command.first(), command.get(1..));
    servers.insert(
        SERVER.to_owned(),
        json!({ "command": program, "args": arguments }),
    );
    let text = serde_json::to_string_pretty(&all).expect("a value is JSON");
    write(file, &format!("{text}\n"))
}

/// Writes the skill, unless another one is there.
fn skill(file: &Path) -> Result<(), CtlError> {
    let is_other = read(file)?.is_some_and(|text| !text.contains("name: sixhop"));
    if is_other { Ok(()) } else { write(file, SKILL) }
}

fn read(file: &Path) -> Result<Option<String>, CtlError> {
    match fs::metadata(file) {
        Ok(there) if there.len() > CONFIGURATION_MAX => Err(CtlError::failed(format!(
            "{} is longer than {CONFIGURATION_MAX} bytes",
            file.display()
        ))),
        Ok(_) => fs::read_to_string(file)
            .map(Some)
            .map_err(|error| CtlError::file("read", file, error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CtlError::file("read", file, error)),
    }
}

/// Writes a file whole. Where a link leads is written, so that the link stays.
fn write(file: &Path, text: &str) -> Result<(), CtlError> {
    let file = &fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let directory = file.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(directory).and_then(|()| {
        let mut new = NamedTempFile::new_in(directory)?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(file).map_err(|error| error.error)
    });
    written
        .map(drop)
        .map_err(|error| CtlError::file("write", file, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn other_entries_of_a_configuration_stay() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a/mcp.json");
        let command = words(&["/bin/ctl", "mcp"]);
        in_file(&file, &command).unwrap();
        let entry = json!({ "command": "/bin/ctl", "args": ["mcp"] });
        let read =
            || -> Value { serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap() };
        assert_eq!(read(), json!({ "mcpServers": { "sixhop": entry } }));
        let other = json!({ "b": [1], "mcpServers": { "other": {}, "sixhop": { "url": "x" } } });
        fs::write(&file, other.to_string()).unwrap();
        in_file(&file, &command).unwrap();
        let expected = json!({ "b": [1], "mcpServers": { "other": {}, "sixhop": entry } });
        assert_eq!(read(), expected);
        for broken in ["{", "[]", r#"{"mcpServers":[]}"#] {
            fs::write(&file, broken).unwrap();
            assert!(in_file(&file, &command).is_err());
            assert_eq!(
                fs::read_to_string(&file).unwrap(),
                broken,
                "it is left alone"
            );
        }
    }

    #[test]
    fn a_program_that_is_not_here_is_named_with_the_way() {
        let program = "no-such-program-of-sixhop";
        let error = by_program(program, &["mcp", "add"], &words(&["/a b/ctl", "mcp"])).unwrap_err();
        let way = format!("{program} mcp add '/a b/ctl' mcp");
        assert!(error.to_string().contains(&way), "{error}");
        let error = by_program("false", &[], &[]).unwrap_err();
        assert!(error.to_string().contains("did not take"), "{error}");
    }

    #[test]
    fn a_skill_of_somebody_else_stays() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("skills/SKILL.md");
        skill(&file).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), SKILL);
        fs::write(&file, "mine").unwrap();
        skill(&file).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    }
}
