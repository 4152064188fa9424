//! Pictures of commands on a terminal of 80 and 140 columns, made by tmux: nothing is wider than the window, and colours
//! can be read on a dark and on a light ground.

use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::{Home, NodeProcess, introduce, wait_until};

use crate::world::{ctl, ctl_program, noded};

/// A name that is wider than the narrow window.
const LONG: &str = "photos/2026/summer holiday at the sea/the picture that everybody wanted to have, number 0001.jpg";

/// The end of a command in a picture.
const END: &str = "the command has ended";

/// The parameters of colours that can be read on black and on white, and green, which ripgrep has for numbers of lines.
const READABLE: [&str; 10] = ["", "0", "1", "2", "22", "31", "32", "35", "39", "49"];

/// A terminal of tmux. Its server ends at drop.
struct Terminal {
    socket: std::path::PathBuf,
}

impl Terminal {
    /// Runs a command of `ctl` in a window of so many columns.
    fn start(home: &Home, columns: u16, command: &str) -> Terminal {
        let name = command.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let name = format!("tmux-{columns}-{name}");
        let socket = home.root().join(name);
        let terminal = Terminal { socket };
        let ctl = ctl_program();
        let run = format!(
            "'{}' --state '{}' {command}; printf '{END}'; sleep 60",
            ctl.display(),
            home.state().display()
        );
        let columns = columns.to_string();
        let size = ["-x", columns.as_str(), "-y", "60"];
        let started = terminal
            .tmux(&["-f", "/dev/null", "new-session", "-d"])
            .args(size)
            .arg(run)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .current_dir(home.root())
            .status();
        assert!(started.is_ok_and(|status| status.success()), "{command}");
        terminal
    }

    fn tmux(&self, args: &[&str]) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(&self.socket).args(args);
        tmux.stderr(Stdio::null());
        tmux
    }

    /// Returns the picture when the command has ended, with its colours.
    fn picture(&self) -> String {
        wait_until("the command ends", Duration::from_secs(30), || {
            let shown = self.captured("-pe");
            if shown.contains(END) {
                Ok(shown)
            } else {
                Err(shown)
            }
        })
    }

    /// Returns the lines that were wider than the window, so that the terminal broke them.
    fn broken_lines(&self) -> Vec<String> {
        let shown = self.captured("-p");
        let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
        // -J joins what the terminal broke.
        let joined = self.captured("-pJ");
        let joined = joined.lines().map(str::trim_end);
        let is_broken = |line: &&str| !shown.contains(line);
        joined.filter(is_broken).map(str::to_owned).collect()
    }

    fn captured(&self, how: &str) -> String {
        let shown = self.tmux(&["capture-pane", how]).output();
        let shown = shown.expect("tmux runs");
        String::from_utf8_lossy(&shown.stdout).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It fails when the server has ended.
        drop(self.tmux(&["kill-server"]).status());
    }
}

fn has_tmux() -> bool {
    let found = Command::new("tmux")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

/// Returns the parameters of the colours in a picture.
fn colours(picture: &str) -> Vec<&str> {
    let sequences = picture.split("\u{1b}[").skip(1);
    let parameters = sequences.filter_map(|part| Some(part.split_once('m')?.0));
    parameters
        .flat_map(|parameters| parameters.split(';'))
        .collect()
}

/// Returns two nodes that know each other, with a peer that is gone, and names that are long and wide.
fn world() -> (NodeProcess, NodeProcess) {
    let near = noded()
        .file("own.txt", "my poem\n")
        .args(["--name", "study"])
        .start();
    let far = noded()
        .file(LONG, vec![7; 300_000])
        .file("文書/日本語のとても長い名前のファイル.txt", "a poem\n")
        .args(["--name", "Anna's nas in the attic"])
        .start();
    introduce(&near.url, &far.url);
    let gone = e2e::Deserted::new();
    let _ = ctl(near.home()).args(["hello", &gone.url]).run();
    wait_until("all is read", Duration::from_secs(30), || {
        let found = ctl(near.home()).args(["grep", "-c", "poem"]).run();
        let lines = found.stdout.lines().count();
        (lines == 2).then_some(()).ok_or(found.stdout)
    });
    (near, far)
}

#[test]
fn pictures_fit_their_window_and_are_readable() {
    if !has_tmux() {
        println!("skipped: tmux is missing");
        return;
    }
    let (near, far) = world();
    let there = format!("ls {}", far.url);
    let commands = [
        ("status", "study"),
        ("peers", "Anna's nas"),
        ("search poem", "Anna's nas"),
        ("search jpg", "0001.jpg"),
        ("grep poem", "own.txt"),
        ("ls", "own.txt"),
        (there.as_str(), "0001.jpg"),
        ("fetch photos/", "fetched"),
        ("transfers", "done"),
        ("doctor", "ignore files"),
    ];
    for columns in [80, 140] {
        for (command, seen) in commands {
            let terminal = Terminal::start(near.home(), columns, command);
            let picture = terminal.picture();
            println!("{columns} columns, ctl {command}:\n{picture}");
            assert!(picture.contains(seen), "{command}: {picture}");
            let broken = terminal.broken_lines();
            assert!(
                broken.is_empty(),
                "{columns} columns, {command}: {broken:#?}"
            );
            let odd = colours(&picture)
                .into_iter()
                .find(|colour| !READABLE.contains(colour));
            assert_eq!(odd, None, "{command}: {picture:?}");
        }
    }
    near.stop();
    far.stop();
}
