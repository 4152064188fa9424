//! Runs of `ctl`.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::home::Home;
use crate::wait::wait_until;

const DEADLINE: Duration = Duration::from_secs(60);

/// One run of `ctl` to be.
#[derive(Debug)]
pub struct Ctl {
    command: Command,
    input: String,
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct CtlRun {
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ctl {
    /// Creates a run of this program with the state of this home and nothing of the caller's.
    pub fn new(program: impl AsRef<Path>, home: &Home) -> Ctl {
        let mut command = Command::new(program.as_ref());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SIXHOP_") {
                command.env_remove(name);
            }
        }
        command
            .env("HOME", home.root())
            .env("XDG_STATE_HOME", home.root())
            .env("XDG_CONFIG_HOME", home.root())
            .env("NO_COLOR", "1")
            .current_dir(home.root())
            .arg("--state")
            .arg(home.state());
        Ctl {
            command,
            input: String::new(),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Ctl {
        self.command.args(args);
        self
    }

    /// Sets a variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Ctl {
        self.command.env(name, value);
        self
    }

    /// Runs it in this directory.
    #[must_use]
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Ctl {
        self.command.current_dir(dir.into());
        self
    }

    /// Gives it something to read on standard input.
    #[must_use]
    pub fn input(mut self, text: &str) -> Ctl {
        text.clone_into(&mut self.input);
        self
    }

    /// Runs it.
    ///
    /// # Panics
    /// When it does not end within a minute; it is killed then.
    pub fn run(mut self) -> CtlRun {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{:?}: {e}", self.command));
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        let stdout = reader(child.stdout.take().expect("standard output is a pipe"));
        let stderr = reader(child.stderr.take().expect("standard error is a pipe"));
        // A command that reads nothing may end before its input is written.
        drop(stdin.write_all(self.input.as_bytes()));
        drop(stdin);
        let killer = Killer(child);
        let code = killer.wait(&format!("{:?} ends", self.command));
        CtlRun {
            code,
            stdout: joined(stdout),
            stderr: joined(stderr),
        }
    }
}

impl CtlRun {
    /// Checks the exit code.
    ///
    /// # Panics
    /// When it is another one.
    #[must_use]
    pub fn expect_code(self, code: i32) -> CtlRun {
        assert_eq!(
            self.code, code,
            "\nstandard output: {}\nstandard error: {}",
            self.stdout, self.stderr
        );
        self
    }
}

impl CtlRun {
    /// Returns the lines of its standard output, each a value of JSON.
    ///
    /// # Panics
    /// When one is none.
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let lines = self.stdout.lines();
        let value = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        lines.map(value).collect()
    }
}

/// A child that does not outlive a failed test.
struct Killer(std::process::Child);

impl Killer {
    fn wait(mut self, what: &str) -> i32 {
        wait_until(what, DEADLINE, || match self.0.try_wait() {
            Ok(Some(status)) => Ok(status.code().unwrap_or(-1)),
            Ok(None) => Err("it runs".to_owned()),
            Err(e) => Err(e.to_string()),
        })
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        // Both fail when it has ended, which is the usual case.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn joined(reader: JoinHandle<String>) -> String {
    reader.join().expect("the reader of a pipe does not panic")
}
