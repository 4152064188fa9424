//! Tests of downloads into something that is not a file, and of the end of a terminal.

use std::{
    fs,
    io::Read,
    os::unix::fs::FileTypeExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use e2e::{Home, eventually, python, wait_until};
use serde_json::json;

use crate::world::{ctl, noded};

const CONTENT: &str = "for a pipe\n";

/// Starts a program at a terminal of its own, waits until `shows` holds or a file is there, closes the terminal, and
/// gives the exit code; -1 after a signal.
const AT_A_TERMINAL: &str = r#"
import os, pty, select, sys, time
seen, program = sys.argv[1], sys.argv[2:]
pid, master = pty.fork()
if pid == 0:
    os.execv(program[0], program)
end, text = time.monotonic() + 30, b""
while time.monotonic() < end:
    if select.select([master], [], [], 0.05)[0]:
        text += os.read(master, 4096)
    if seen.encode() in text or any(seen in name for name in os.listdir(".")):
        break
else:
    sys.exit("not seen: " + repr(text))
os.close(master)
end = time.monotonic() + 15
while time.monotonic() < end:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        print(os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1)
        sys.exit()
    time.sleep(0.02)
os.kill(pid, 9)
sys.exit("it did not end")
"#;

fn mkfifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()));
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().into_owned()
    };
    entries.map(name).collect()
}

#[test]
fn a_fifo_and_a_device_take_the_bytes_and_stay_what_they_are() {
    let node = noded().file("a.txt", CONTENT).file("empty", "").start();
    let fifo = node.home().root().join("pipe");
    mkfifo(&fifo);
    for (name, expected) in [("a.txt", CONTENT), ("empty", "")] {
        let reading = std::thread::spawn({
            let fifo = fifo.clone();
            move || fs::read_to_string(fifo).unwrap()
        });
        let to = fifo.to_str().unwrap();
        let run = ctl(node.home())
            .args(["fetch", name, "--to", to, "--replace"])
            .run();
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(reading.join().unwrap(), expected);
        assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    }
    let run = ctl(node.home())
        .args(["fetch", "a.txt", "--to", "/dev/null", "--replace"])
        .run();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        fs::metadata("/dev/null")
            .unwrap()
            .file_type()
            .is_char_device()
    );
    let missing = ctl(node.home())
        .args(["fetch", "none.txt", "--to", "/dev/null"])
        .run();
    assert_eq!(missing.code, 3, "{missing:?}");
    node.stop();
}

#[test]
fn a_hyphen_is_standard_output() {
    let node = noded().file("a.txt", CONTENT).start();
    let run = ctl(node.home()).args(["fetch", "a.txt", "--to", "-"]).run();
    assert_eq!((run.code, run.stdout.as_str()), (0, CONTENT), "{run:?}");
    assert!(!names(node.home().root()).contains(&"-".to_owned()));
    // A reader that takes nothing more is not an error.
    let command = "exec \"$0\" --state \"$1\" fetch long.bin --to - | head -c 5";
    node.home().put("long.bin", vec![b'x'; 3 << 20]);
    wait_until("the file is noticed", Duration::from_secs(30), || {
        let list = node.control().must("share.list", json!({})).to_string();
        let is_listed = list.contains("long.bin");
        is_listed.then_some(()).ok_or(list)
    });
    let output = Command::new("sh")
        .args(["-c", command, env!("CARGO_BIN_EXE_e2e-ctl")])
        .arg(node.home().state())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, b"xxxxx", "{said}");
    node.stop();
}

#[test]
fn a_fifo_without_a_reader_is_waited_for_and_can_be_given_up() {
    let node = noded().file("a.txt", CONTENT).start();
    let fifo = node.home().root().join("pipe");
    mkfifo(&fifo);
    let to = fifo.to_str().unwrap();
    let run = ctl(node.home())
        .args(["fetch", "a.txt", "--to", to, "--timeout", "300ms"])
        .run();
    assert_eq!(run.code, 124, "{run:?}");
    node.stop();
}

/// Runs a program in the home at a terminal that is closed, and gives its exit code.
fn hung_up(home: &Home, seen: &str, program: &[&str]) -> i32 {
    let root = home.root().to_str().unwrap();
    let script = format!("import os\nos.chdir({root:?})\n{AT_A_TERMINAL}");
    let args: Vec<&str> = std::iter::once(seen)
        .chain(program.iter().copied())
        .collect();
    python(&script, &args).trim().parse().unwrap()
}

#[test]
fn a_closed_terminal_ends_the_node_cleanly() {
    let home = Home::new();
    let (share, state) = (home.share(), home.state());
    let (share, state) = (share.to_str().unwrap(), state.to_str().unwrap());
    let program = [
        env!("CARGO_BIN_EXE_e2e-noded"),
        "--share",
        share,
        "--state",
        state,
        "--listen",
        "127.0.0.1:0",
        "--control",
        "127.0.0.1:0",
    ];
    assert_eq!(hung_up(&home, "ready url=", &program), 0);
    let left = names(&home.state());
    for name in ["control", "control.sock"] {
        assert!(!left.contains(&name.to_owned()), "{left:?}");
    }
}

#[test]
fn a_closed_terminal_ends_a_download_without_leftovers() {
    let node = noded()
        .args(["--upload-rate", "64K"])
        .file("long.bin", vec![b'x'; 8 << 20])
        .start();
    let state = node.home().state();
    let program = [
        env!("CARGO_BIN_EXE_e2e-ctl"),
        "--state",
        state.to_str().unwrap(),
        "fetch",
        "long.bin",
        "--to",
        "placed.bin",
    ];
    assert_eq!(hung_up(node.home(), ".sixhop-part-", &program), 130);
    let left = names(node.home().root());
    assert!(
        left.iter()
            .all(|name| !name.contains("sixhop-part") && name != "placed.bin"),
        "{left:?}"
    );
    node.stop();
}

#[test]
fn a_hang_up_without_a_terminal_looks_at_the_configuration() {
    let home = std::sync::Arc::new(Home::new());
    let config = home.root().join("noded.toml");
    fs::write(&config, "upload_rate = \"1M\"\n").unwrap();
    let mut node = noded()
        .at(&home)
        .args(["--config", config.to_str().unwrap()])
        .start();
    for (text, expected) in [
        ("upload_rate = \"1M\"\n", "as it was"),
        ("upload_rate = \"2M\"\n", "--upload-rate"),
        ("nonsense = 1\n", "makes no sense"),
    ] {
        fs::write(&config, text).unwrap();
        node.signal("HUP");
        eventually(expected, || node.stderr().contains(expected));
    }
    node.assert_healthy();
    node.stop();
}

#[test]
fn quit_from_the_keyboard_ends_the_node_cleanly() {
    let node = noded().start();
    let state = node.home().state();
    assert!(names(&state).contains(&"control.sock".to_owned()));
    node.signal("QUIT");
    eventually("its socket and its address are gone", || {
        let left = names(&state);
        !left
            .iter()
            .any(|name| ["control", "control.sock"].contains(&name.as_str()))
    });
}

#[test]
fn a_process_leaves_no_core_dump() {
    let node = noded().start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", node.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let fields: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(fields[4..6], ["1", "1"], "{fields:?}");
    node.stop();
}

#[test]
fn nohup_keeps_a_download_going() {
    let node = noded().file("a.txt", CONTENT).start();
    let state = node.home().state();
    let command = "trap '' HUP; \"$0\" --state \"$1\" fetch a.txt --to - & child=$!; kill -HUP $child; wait $child";
    let mut child = Command::new("sh")
        .args(["-c", command, env!("CARGO_BIN_EXE_e2e-ctl")])
        .arg(&state)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = wait_until("it ends", Duration::from_secs(30), || {
        let ended = child.try_wait().map_err(|error| error.to_string())?;
        ended.ok_or_else(|| "it runs".to_owned())
    });
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(text, CONTENT);
    node.stop();
}
