//! The command that is run for each match.
//!
//! # Invariants
//! - What others say, names and texts, reaches it on standard input and in variables, never in its arguments and never as a
//!   part of its text.

use std::{
    io::{self, Write},
    process::{Command, ExitStatus, Stdio},
};

use node_api::watch::WatchMatch;
use node_base::threads::{ThreadError, Threads};
use serde_json::{Value, json};

/// A command of the owner, as the shell reads it.
#[derive(Debug)]
pub(super) struct Program {
    text: String,
    thread: Threads,
    /// True if standard output has lines of JSON and nothing else.
    is_json: bool,
}

/// The error of a command.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    /// It did not start, or its input could not be written.
    #[error("the command for a match cannot be run: {0}")]
    NotRun(#[from] io::Error),
    /// It says that it failed.
    #[error("the command for a match failed: {0}")]
    Failed(ExitStatus),
    /// There was no thread for it.
    #[error("the command for a match cannot be run: {0}")]
    Thread(#[from] ThreadError),
}

impl Program {
    pub(super) fn new(text: &str, is_json: bool) -> Program {
        Program {
            text: text.to_owned(),
            thread: Threads::new("command", 1),
            is_json,
        }
    }

    /// Runs the command and waits until it has ended.
    pub(super) async fn run(&self, query: &str, found: &WatchMatch) -> Result<(), ProgramError> {
        let (mut command, input) = self.command(query, found);
        let ran = self.thread.run(move || {
            let mut child = command.spawn()?;
            let written = child.stdin.take().map_or(Ok(()), |mut stdin| {
                stdin.write_all(&input).and_then(|()| stdin.flush())
            });
            match written {
                // It need not read it.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                _ => child.wait(),
            }
        });
        let status = ran.await??;
        if status.success() {
            Ok(())
        } else {
            Err(ProgramError::Failed(status))
        }
    }

    /// Returns the process to start, and its input: the match as one line of JSON.
    fn command(&self, query: &str, found: &WatchMatch) -> (Command, Vec<u8>) {
        let mut input = json!({ "type": "match", "query": query });
        if let (Value::Object(all), Ok(Value::Object(said))) =
            (&mut input, serde_json::to_value(found))
        {
            all.extend(said);
        }
        let hit = &found.hit;
        let mut command = Command::new("sh");
        command
            .args(["-c", &self.text])
            .env("SIXHOP_MATCH_QUERY", query)
            .env("SIXHOP_MATCH_NUMBER", found.number.to_string())
            .env("SIXHOP_MATCH_NAME", &hit.name)
            .env(
                "SIXHOP_MATCH_DIGEST",
                hit.digest.as_deref().unwrap_or_default(),
            )
            .env("SIXHOP_MATCH_NODE", &hit.node)
            .env(
                "SIXHOP_MATCH_SIZE",
                hit.size.map(|size| size.to_string()).unwrap_or_default(),
            )
            .stdin(Stdio::piped());
        if self.is_json {
            command.stdout(io::stderr());
        }
        (command, format!("{input}\n").into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use node_api::search::Hit;

    use super::*;

    #[test]
    fn what_others_say_is_in_no_argument() {
        let found = WatchMatch {
            number: 3,
            time: 1,
            hit: Hit {
                name: "$(touch evil); --help".to_owned(),
                size: Some(2),
                modified: None,
                digest: Some("ab".to_owned()),
                node: "http://127.0.0.1:1/".to_owned(),
                node_name: None,
                handler: "name".to_owned(),
                score: None,
                excerpt: None,
            },
        };
        let (command, input) = Program::new("cat", false).command("*.txt", &found);
        let args: Vec<_> = command.get_args().collect();
        assert_eq!(args, ["-c", "cat"]);
        let name = command
            .get_envs()
            .find(|(key, _)| *key == "SIXHOP_MATCH_NAME");
        assert_eq!(
            name.and_then(|(_, value)| value),
            Some(found.hit.name.as_ref())
        );
        let input: Value = serde_json::from_slice(&input).unwrap();
        assert_eq!(input["name"], found.hit.name);
        assert_eq!(input["query"], "*.txt");
        assert_eq!(input["type"], "match");
    }
}
