//! A reader of the documentation, who types the commands of a page as they stand there.
//!
//! Values that depend on the reader are filled in: the home, free ports for `4242`, a second node for the peer. Builds
//! are left out; these tests are a part of what they make.

use std::os::unix::fs::symlink;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use e2e::{Home, NodeProcess, wait_until};

use crate::world::repository;

/// Programs that a reader may not have.
const OPTIONAL: &[&str] = &["curl"];

/// Address of the node as the pages print it.
const PRINTED_URL: &str = "http://127.0.0.1:4242";

/// The longest time until a peer has indexed its files.
const SOON: Duration = Duration::from_secs(20);

/// The reader: a home with the two programs on the path.
pub(crate) struct Reader {
    pub(crate) home: Home,
    /// The node that the page starts, and the options with which `ctl` finds it.
    node: Option<(Child, String)>,
    /// Text of the page, and its value here.
    filled: Vec<(String, String)>,
}

impl Reader {
    /// Creates a reader for whom the addresses of the page are those of `peer`.
    pub(crate) fn new(peer: &NodeProcess) -> Reader {
        let home = Home::new();
        for (name, program) in [
            ("noded", crate::world::noded_program()),
            ("ctl", crate::world::ctl_program()),
        ] {
            symlink(program, home.root().join(name)).unwrap();
        }
        let root = home.root().to_string_lossy().into_owned();
        let mut reader = Reader {
            home,
            node: None,
            filled: Vec::new(),
        };
        reader.fill("/tmp/", &format!("{root}/"));
        let repository = repository().display().to_string();
        reader.fill("run scripts/", &format!("run {repository}/scripts/"));
        reader.meets(peer);
        reader
    }

    /// From now on the addresses of the page are those of `peer`, and the reader listens at a free port.
    pub(crate) fn meets(&mut self, peer: &NodeProcess) {
        let address = peer.url.trim_start_matches("http://").trim_end_matches('/');
        for printed in ["192.168.1.5:4242", "192.168.1.6:4242", "0.0.0.0:4242"] {
            self.fill(&format!("--listen {printed}"), "--listen 127.0.0.1:0");
        }
        for printed in ["192.168.1.5:4242", "192.168.1.6:4242"] {
            self.fill(printed, address);
        }
    }

    /// Puts `here` where a page has `printed`.
    fn fill(&mut self, printed: &str, here: &str) {
        self.filled.retain(|(text, _)| text != printed);
        self.filled.push((printed.to_owned(), here.to_owned()));
    }

    /// Returns true while a node that the page started runs.
    pub(crate) fn has_node(&self) -> bool {
        self.node.is_some()
    }

    fn command(&self, line: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let line = self
            .filled
            .iter()
            .fold(line.to_owned(), |l, (from, to)| l.replace(from, to));
        let mut command = Command::new("sh");
        command
            .args(["-c", &line])
            .env("HOME", self.home.root())
            .env("XDG_STATE_HOME", self.home.root().join("state"))
            .env_remove("XDG_CONFIG_HOME")
            .env("PATH", format!("{}:{path}", self.home.root().display()))
            .env("SIXHOP_LISTEN", "127.0.0.1:0")
            .env("SIXHOP_CONTROL", "127.0.0.1:0")
            .current_dir(self.home.root())
            .stdin(Stdio::null());
        command
    }

    /// Runs a line. Searches are repeated until the peer has indexed its files.
    pub(crate) fn obey(&mut self, line: &str) {
        let program = line.split(' ').next().unwrap_or_default();
        if program == "noded" {
            return self.start(line);
        }
        let output = wait_until("the line finds something", SOON, || {
            let output = self.command(line).output().expect("a shell is installed");
            match output.status.code() {
                Some(3 | 7) => Err(told(line, &output)),
                _ => Ok(output),
            }
        });
        if OPTIONAL.contains(&program) && output.status.code() == Some(127) {
            return;
        }
        assert!(output.status.success(), "{}", told(line, &output));
        println!("$ {line}\n{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Starts a node, after the one before was ended as with Ctrl-C.
    fn start(&mut self, line: &str) {
        self.end();
        let mut command = self.command(&format!("exec {line}"));
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        let node = quiet.spawn().expect("a shell is installed");
        let state = line.split(" --state ").nth(1);
        let state = state.and_then(|rest| rest.split(' ').next());
        let options = state.map_or_else(String::new, |state| format!("--state {state}"));
        let asked = format!("ctl {options} --json status");
        self.node = Some((node, options));
        let status = wait_until("the node of the page answers", SOON, || {
            let output = self.command(&asked).output().map_err(|e| e.to_string())?;
            serde_json::from_slice::<serde_json::Value>(&output.stdout).map_err(|e| e.to_string())
        });
        let url = status["url"].as_str().expect("a node has a URL");
        let url = url.trim_end_matches('/').to_owned();
        self.fill(PRINTED_URL, &url);
    }

    fn end(&mut self) {
        let Some((mut node, options)) = self.node.take() else {
            return;
        };
        let stopped = self.command(&format!("ctl {options} stop")).output();
        assert!(
            stopped.is_ok_and(|output| output.status.success()),
            "the node of the page stops"
        );
        let status = node.wait().expect("the node was started here");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some((node, _)) = &mut self.node {
            // Both fail when it has ended already.
            drop(node.kill());
            drop(node.wait());
        }
    }
}

/// Returns what a line printed, for a test that fails.
fn told(line: &str, output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    format!("{line}: {}: {stderr}", output.status)
}

/// Returns the lines of the blocks of `page` in `language`, without comments.
pub(crate) fn lines_in(page: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    let blocks = page.split(&begin).skip(1);
    let lines = blocks
        .filter_map(|block| block.split("```").next())
        .flat_map(str::lines);
    lines
        .map(|line| {
            line.split("  #")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned()
        })
        .filter(|line| !line.is_empty())
        .collect()
}
