//! `ctl` as a child process with nothing of this machine's settings.

use std::{
    io::Write,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// A run of `ctl` to come.
pub(crate) struct Program {
    command: Command,
    input: Vec<u8>,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn new<'a>(args: impl IntoIterator<Item = &'a str>) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ctl"));
        command.args(args).env_clear().env("HOME", "/nonexistent");
        Program {
            command,
            input: Vec::new(),
        }
    }

    pub(crate) fn state(mut self, state: &Path) -> Program {
        self.command.env("SIXHOP_STATE", state);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Program {
        self.command.env(name, value);
        self
    }

    pub(crate) fn input(mut self, text: &str) -> Program {
        self.input = text.into();
        self
    }

    /// Starts it with pipes.
    pub(crate) fn spawn(mut self) -> Child {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A program that ends before it has read everything is judged by its end.
        let _ = stdin.write_all(&self.input);
        child
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Ended {
        Ended::from(self.spawn().wait_with_output().unwrap())
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        Ended {
            exit: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Checks that the run ended with this exit code.
    pub(crate) fn exits(self, code: i32) -> Ended {
        assert_eq!(self.exit, Some(code), "{self:#?}");
        self
    }

    /// Returns standard output as lines of JSON.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap();
        self.stdout.lines().map(parse).collect()
    }

    /// Returns standard output as one line of JSON.
    pub(crate) fn json(&self) -> Value {
        let [value] = &self.json_lines()[..] else {
            panic!("not one line: {self:#?}");
        };
        value.clone()
    }
}
