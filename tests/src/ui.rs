//! A running `ctl ui`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::home::Home;
use crate::http::{self, Answer};
use crate::wait::wait_until;

const READY: Duration = Duration::from_secs(30);

/// A page that is served, ended at drop.
#[derive(Debug)]
pub struct Ui {
    /// `http://127.0.0.1:PORT/#TOKEN`.
    pub link: String,
    child: Child,
}

impl Ui {
    /// Serves the page for the node of this home.
    ///
    /// # Panics
    /// When it does not say its address.
    pub fn start(program: impl AsRef<Path>, home: &Home) -> Ui {
        let mut child = Command::new(program.as_ref())
            .arg("--state")
            .arg(home.state())
            .args(["ui", "--no-open"])
            .env("HOME", home.root())
            .env("TMPDIR", home.root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", program.as_ref().display()));
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let (sender, line) = channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            drop(BufReader::new(stdout).read_line(&mut text));
            sender.send(text.trim().to_owned())
        });
        let link = line.recv_timeout(READY).unwrap_or_default();
        let ui = Ui { link, child };
        assert!(
            ui.link.starts_with("http://127.0.0.1:"),
            "the page said {:?}",
            ui.link
        );
        ui
    }

    /// Returns `http://127.0.0.1:PORT/`.
    pub fn url(&self) -> &str {
        self.link.split('#').next().unwrap_or_default()
    }

    /// Returns the token that is good for one session.
    pub fn token(&self) -> &str {
        self.link.split('#').nth(1).unwrap_or_default()
    }

    /// Returns `HOST:PORT`.
    pub fn host(&self) -> &str {
        self.url()
            .trim_start_matches("http://")
            .trim_end_matches('/')
    }

    /// Returns the number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Posts a body as the page does, with more headers.
    ///
    /// # Errors
    /// Errors if there is no answer.
    pub fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, String> {
        let origin = format!("http://{}", self.host());
        let mut all = vec![("Origin", origin.as_str())];
        all.extend_from_slice(headers);
        http::request(self.url(), "POST", path, &all, body)
    }

    /// Takes a session: the cookie, and the key.
    ///
    /// # Errors
    /// The status of a refusal.
    ///
    /// # Panics
    /// Panics if there is no answer, or a session without its two halves.
    pub fn enter(&self, token: &str) -> Result<(String, String), u16> {
        let answer = self
            .post("/api/session", &[], token.as_bytes())
            .expect("the page answers");
        if answer.status != 200 {
            return Err(answer.status);
        }
        let cookie = answer
            .header("set-cookie")
            .expect("a session has a cookie")
            .to_owned();
        let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("it is JSON");
        let key = body["key"]
            .as_str()
            .expect("a session has a key")
            .to_owned();
        Ok((cookie, key))
    }

    /// Ends it with a signal and gives its exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub fn end(mut self, signal: &str) -> Option<i32> {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "kill {signal} {pid}"
        );
        let status = wait_until("ctl ui ends", Duration::from_secs(5), || {
            self.child
                .try_wait()
                .ok()
                .flatten()
                .ok_or_else(|| "it runs".to_owned())
        });
        status.code()
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        // Both fail when it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
