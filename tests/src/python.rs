//! Peers and clients in Python, with its standard library only.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::home::Home;

const READY: Duration = Duration::from_secs(30);

/// The book's two peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Answers are codes: 1 and 2.
    Codes,
    /// Answers are values, errors are faults.
    Faults,
}

/// A peer in Python, killed at drop.
#[derive(Debug)]
pub struct PythonPeer {
    /// Its URL.
    pub url: String,
    /// Its home; only the share is used.
    pub home: Home,
    /// The dialect of the peer.
    pub dialect: Dialect,
    child: Child,
}

impl PythonPeer {
    /// The secret of every such peer.
    pub const SECRET: &'static str = "a secret of the book";

    /// Starts a peer on a free port.
    ///
    /// # Panics
    /// When it does not say its URL in time.
    pub fn start(dialect: Dialect, home: Home) -> PythonPeer {
        let script = match dialect {
            Dialect::Codes => "codes_peer.py",
            Dialect::Faults => "faults_peer.py",
        };
        let mut child = Command::new("python3")
            .arg(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("peers")
                    .join(script),
            )
            .arg("http://127.0.0.1:0")
            .arg(home.share())
            .arg(PythonPeer::SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let mut peer = PythonPeer {
            url: String::new(),
            home,
            dialect,
            child,
        };
        peer.url = first_line(stdout);
        peer
    }

    /// Returns the URL to give to this peer for a node of ours.
    pub fn url_for(&self, node: &str) -> String {
        match self.dialect {
            Dialect::Codes => format!("{node}codes"),
            Dialect::Faults => node.to_owned(),
        }
    }
}

impl Drop for PythonPeer {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a program of Python with arguments and returns its output.
///
/// # Panics
/// Panics if it fails, with its output.
pub fn python(program: &str, args: &[&str]) -> String {
    let output = Command::new("python3")
        .args(["-c", program])
        .args(args)
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .expect("python3 is installed");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}\n{stderr}");
    String::from_utf8(output.stdout).expect("Python prints UTF-8")
}

fn first_line(stdout: impl Read + Send + 'static) -> String {
    let (sender, line) = channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        drop(BufReader::new(stdout).read_line(&mut text));
        sender.send(text.trim().to_owned())
    });
    let line = line.recv_timeout(READY).expect("the peer says its URL");
    assert!(line.starts_with("http://"), "the peer said {line:?}");
    line
}
