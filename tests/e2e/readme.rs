//! The commands of the README are run as they stand there.
//!
//! Values that depend on the reader are filled in: the home, free ports for `4242`, a second node for the peer. Builds
//! are left out; this test is a part of what they make.

use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::{Home, NodeProcess, wait_until};

use crate::world::{ctl, noded, repository};

/// Programs that a reader may not have.
const OPTIONAL: &[&str] = &["curl"];

/// Address of the node as the README prints it.
const PRINTED_URL: &str = "http://127.0.0.1:4242";

/// The reader: a home with the two programs on the path.
struct Reader {
    home: Home,
    /// The node that the README starts.
    node: Option<Child>,
    /// Text of the README, and its value here.
    filled: Vec<(String, String)>,
}

impl Reader {
    fn new(peer: &NodeProcess) -> Reader {
        let home = Home::new();
        for (name, program) in [
            ("noded", crate::world::noded_program()),
            ("ctl", crate::world::ctl_program()),
        ] {
            symlink(program, home.root().join(name)).unwrap();
        }
        let root = home.root().to_string_lossy().into_owned();
        let filled = vec![
            ("http://192.168.1.6:4242".to_owned(), peer.url.clone()),
            ("/tmp/".to_owned(), format!("{root}/")),
        ];
        Reader {
            home,
            node: None,
            filled,
        }
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
            .env("PATH", format!("{}:{path}", self.home.root().display()))
            .env("SIXHOP_LISTEN", "127.0.0.1:0")
            .env("SIXHOP_CONTROL", "127.0.0.1:0")
            .current_dir(self.home.root())
            .stdin(Stdio::null());
        command
    }

    /// Runs a line.
    fn obey(&mut self, line: &str) {
        let program = line.split(' ').next().unwrap_or_default();
        if program == "noded" {
            return self.start(line);
        }
        let output = self.command(line).output().expect("a shell is installed");
        let stderr = String::from_utf8_lossy(&output.stderr);
        if OPTIONAL.contains(&program) && output.status.code() == Some(127) {
            return;
        }
        assert!(
            output.status.success(),
            "{line}: {}: {stderr}",
            output.status
        );
        println!("$ {line}\n{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Starts a node, after the one before was ended as with Ctrl-C.
    fn start(&mut self, line: &str) {
        self.end();
        let mut command = self.command(&format!("exec {line}"));
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        self.node = Some(quiet.spawn().expect("a shell is installed"));
        let status = wait_until(
            "the node of the README answers",
            Duration::from_secs(20),
            || {
                let output = self
                    .command("ctl --json status")
                    .output()
                    .map_err(|e| e.to_string())?;
                serde_json::from_slice::<serde_json::Value>(&output.stdout)
                    .map_err(|e| e.to_string())
            },
        );
        let url = status["url"]
            .as_str()
            .expect("a node has a URL")
            .trim_end_matches('/');
        self.filled.retain(|(text, _)| text != PRINTED_URL);
        self.filled.push((PRINTED_URL.to_owned(), url.to_owned()));
    }

    fn end(&mut self) {
        let Some(mut node) = self.node.take() else {
            return;
        };
        let stopped = self.command("ctl call node.stop").output();
        assert!(
            stopped.is_ok_and(|output| output.status.success()),
            "the node of the README stops"
        );
        let status = node.wait().expect("the node was started here");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(node) = &mut self.node {
            // Both fail when it has ended already.
            drop(node.kill());
            drop(node.wait());
        }
    }
}

/// Returns the commands of the README, without comments.
fn commands(readme: &str) -> Vec<String> {
    let blocks = readme.split("```sh\n").skip(1);
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

fn readme() -> String {
    std::fs::read_to_string(repository().join("README.md")).expect("there is a README")
}

#[test]
fn the_commands_work_one_after_another() {
    let peer = noded()
        .file("photos/sea/1.jpg", "a picture")
        .file("notes.txt", "notes")
        .start();
    let mut reader = Reader::new(&peer);
    let commands = commands(&readme());
    let builds = |line: &String| line.starts_with("cargo ") || line.starts_with("export ");
    for line in commands.iter().filter(|line| !builds(line)) {
        reader.obey(line);
    }
    assert!(reader.node.is_some(), "the README starts no node");
    assert_eq!(
        std::fs::read(reader.home.root().join("notes.txt")).unwrap(),
        b"notes"
    );
    peer.stop();
}

#[test]
fn the_first_two_commands_are_the_tour_and_the_tests() {
    let commands = commands(&readme());
    assert_eq!(
        commands[0],
        "cargo run --release -p ctl -- run scripts/tour.rhai"
    );
    assert_eq!(commands[1], "cargo test --workspace");
    assert!(repository().join("scripts/tour.rhai").exists());
}

#[test]
fn the_versions_of_rust_agree() {
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \""))
        .unwrap();
    let version = version.trim_end_matches('"');
    assert!(
        readme().contains(&format!("Rust {version}")),
        "the README does not say Rust {version}"
    );
}

#[test]
fn the_script_of_the_readme_runs() {
    let (near, far) = (noded().start(), noded().file("notes.txt", "notes").start());
    e2e::introduce(&near.url, &far.url);
    let readme = readme();
    let script = readme
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let file = near.home().root().join("readme.rhai");
    std::fs::write(&file, script.expect("the README has a script")).unwrap();
    let _ = ctl(near.home())
        .args(["run".as_ref(), file.as_os_str()])
        .run()
        .expect_code(0);
    assert_eq!(
        near.home().read("notes.txt").as_deref(),
        Some(&b"notes"[..])
    );
    near.stop();
    far.stop();
}
