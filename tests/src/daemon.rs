//! A running `noded`.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Deserted;
use crate::control::Control;
use crate::home::Home;
use crate::meters::Meters;
use crate::wait::wait_until;

/// The variable that makes all nodes log as much as it says.
const LOG_LEVEL: &str = "E2E_LOG";
const READY: Duration = Duration::from_secs(30);
/// The design promises a clean end within this time.
const STOP: Duration = Duration::from_secs(5);

/// Options of `unshare` for a process with mounts of its own.
const UNSHARED: [&str; 3] = ["--user", "--map-root-user", "--mount"];

/// The options of a node to start.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    program: PathBuf,
    home: Arc<Home>,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    listen: String,
    control: String,
    within: Within,
    /// The port that its last process listened on, kept from other tests until the next one is ready.
    held: Option<Arc<Deserted>>,
}

/// The directory and name space that a node runs in.
#[derive(Debug, Clone)]
enum Within {
    /// The environment of the test.
    Plain,
    /// Limits that these commands of the shell set.
    Limits(String),
    /// Mounts of its own, with a disk of memory of this size as its share.
    Memory(String),
    /// Mounts of its own, which these commands of the shell make.
    Mounts(String),
}

/// A node that did not start.
#[derive(Debug)]
pub struct Refusal {
    /// Its exit code; none after a signal.
    pub code: Option<i32>,
    /// Its standard error.
    pub stderr: String,
}

impl NodeOptions {
    /// Creates a node of this program with a home of its own, on free ports of the loopback.
    pub fn new(program: impl AsRef<Path>) -> NodeOptions {
        NodeOptions {
            program: program.as_ref().to_owned(),
            home: Arc::new(Home::new()),
            args: Vec::new(),
            envs: Vec::new(),
            listen: "127.0.0.1:0".to_owned(),
            control: "127.0.0.1:0".to_owned(),
            within: Within::Plain,
            held: None,
        }
    }

    /// Returns its home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Uses this home instead.
    #[must_use]
    pub fn at(mut self, home: &Arc<Home>) -> NodeOptions {
        self.home = Arc::clone(home);
        self
    }

    /// Puts a file into its share.
    #[must_use]
    pub fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> NodeOptions {
        self.home.put(name, bytes);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> NodeOptions {
        self.args
            .extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> NodeOptions {
        self.envs.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Listens for peers there.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> NodeOptions {
        self.listen = address.into();
        self
    }

    /// Listens for controllers there.
    #[must_use]
    pub fn control(mut self, address: impl Into<String>) -> NodeOptions {
        self.control = address.into();
        self
    }

    /// Sets limits of the shell, such as `ulimit -n 64`.
    #[must_use]
    pub fn limits(mut self, command: &str) -> NodeOptions {
        self.within = Within::Limits(command.to_owned());
        self
    }

    /// Uses a share that is a disk of memory of this size, such as `96m`, which the node alone has mounted.
    #[must_use]
    pub fn share_of_memory(mut self, size: &str) -> NodeOptions {
        self.within = Within::Memory(size.to_owned());
        self
    }

    /// Makes mounts that it alone has, by commands such as `mount --bind state share/m`, run in its home.
    #[must_use]
    pub fn mounts(mut self, commands: &str) -> NodeOptions {
        self.within = Within::Mounts(commands.to_owned());
        self
    }

    /// Returns true if such a disk can be mounted here: not every system lets users have a name space of mounts.
    pub fn can_mount() -> bool {
        let probe = "mount -t tmpfs -o size=1m probe /tmp";
        let run = Command::new("unshare")
            .args(UNSHARED)
            .args(["sh", "-c", probe])
            .output();
        run.is_ok_and(|run| run.status.success())
    }

    /// Holds the port of a URL of the loopback, unless it is in use already.
    fn holding(mut self, url: &str) -> NodeOptions {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let port = address.parse().ok().map(Deserted::at);
        self.held = port.and_then(Result::ok).map(Arc::new);
        self
    }

    /// Starts it and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(self) -> NodeProcess {
        let (lines, child) = self.spawn();
        let mut node = NodeProcess::new(self, child);
        node.wait_for_ready(&lines);
        node.options.held = None;
        node
    }

    /// Starts it and waits until it has refused to run.
    ///
    /// # Panics
    /// When it runs.
    pub fn refused(self) -> Refusal {
        let (_lines, child) = self.spawn();
        let mut node = NodeProcess::new(self, child);
        let status = node.wait_for_end(READY);
        Refusal {
            code: status.code(),
            stderr: node.join_stderr(),
        }
    }

    fn spawn(&self) -> (Receiver<String>, Child) {
        let mut child = self
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", self.program.display()));
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        (lines, child)
    }

    fn command(&self) -> Command {
        let mut command = match &self.within {
            Within::Plain => Command::new(&self.program),
            Within::Memory(size) => {
                let mount = format!("mount -t tmpfs -o size={size} share \"$1\" || exit 1");
                let mut unshare = Command::new("unshare");
                unshare
                    .args(UNSHARED)
                    .args(["sh", "-c"])
                    .arg(format!("{mount}; shift; exec \"$0\" \"$@\""))
                    .arg(&self.program)
                    .arg(self.home.share());
                unshare
            }
            Within::Mounts(commands) => {
                let mut unshare = Command::new("unshare");
                unshare
                    .args(UNSHARED)
                    .args(["sh", "-c"])
                    .arg(format!("{{ {commands}; }} || exit 1; exec \"$0\" \"$@\""))
                    .arg(&self.program);
                unshare
            }
            Within::Limits(limits) => {
                let mut shell = Command::new("sh");
                shell
                    .arg("-c")
                    .arg(format!("{limits}; exec \"$0\" \"$@\""))
                    .arg(&self.program);
                shell
            }
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SIXHOP_") {
                command.env_remove(name);
            }
        }
        if let Some(level) = std::env::var_os(LOG_LEVEL) {
            command.env("SIXHOP_LOG", level);
        }
        command
            .arg("--share")
            .arg(self.home.share())
            .arg("--state")
            .arg(self.home.state())
            .args(["--listen", &self.listen, "--control", &self.control])
            .args(&self.args)
            .env("HOME", self.home.root())
            .env("XDG_STATE_HOME", self.home.root())
            .env("XDG_CONFIG_HOME", self.home.root())
            .envs(self.envs.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.root());
        command
    }
}

/// A running node, killed at drop.
#[derive(Debug)]
pub struct NodeProcess {
    /// Its URL, as it said.
    pub url: String,
    /// The address of its control port, as it said.
    pub control_address: String,
    options: NodeOptions,
    child: Child,
    stderr: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    ended: bool,
}

impl NodeProcess {
    fn new(options: NodeOptions, mut child: Child) -> NodeProcess {
        let stderr = Arc::new(Mutex::new(String::new()));
        let pipe = child.stderr.take().expect("standard error is a pipe");
        let kept = Arc::clone(&stderr);
        NodeProcess {
            url: String::new(),
            control_address: String::new(),
            options,
            child,
            stderr,
            reader: Some(std::thread::spawn(move || keep(pipe, &kept))),
            ended: false,
        }
    }

    fn wait_for_ready(&mut self, lines: &Receiver<String>) {
        let line = match lines.recv_timeout(READY) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("not ready in {READY:?}: {}", self.stderr()),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.wait_for_end(STOP);
                panic!(
                    "ended before it was ready, {status}: {}",
                    self.join_stderr()
                )
            }
        };
        let word = |key: &str| {
            line.split(' ')
                .find_map(|w| w.strip_prefix(key))
                .map(str::to_owned)
        };
        match (line.starts_with("ready "), word("url="), word("control=")) {
            (true, Some(url), Some(control)) => {
                self.url = url;
                self.control_address = control;
            }
            _ => panic!("no ready line: {line:?}"),
        }
    }

    /// Returns its home.
    pub fn home(&self) -> &Arc<Home> {
        &self.options.home
    }

    /// Returns its URL for peers of the dialect of codes.
    pub fn codes_url(&self) -> String {
        format!("{}codes", self.url)
    }

    /// Returns the number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns its share as it sees it, if that is a disk of memory.
    pub fn mounted_share(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.pid());
        let share = self.home().share();
        Path::new(&root).join(share.strip_prefix("/").expect("an absolute path"))
    }

    /// Returns its resources now.
    pub fn meters(&self) -> Meters {
        Meters::of(self.pid())
    }

    /// Returns its control port, with its secret.
    pub fn control(&self) -> Control {
        Control::new(&self.control_address, &self.home().secret())
    }

    /// Returns one of its counters.
    ///
    /// # Panics
    /// When `node.status` does not have it.
    pub fn counter(&self, name: &str) -> u64 {
        let status = self.control().must("node.status", serde_json::json!({}));
        let counter = status["counters"][name].as_u64();
        counter.unwrap_or_else(|| panic!("no counter {name} in {status}"))
    }

    /// Returns its standard error so far.
    pub fn stderr(&self) -> String {
        self.kept().clone()
    }

    /// Checks that it lives, and that no part of it has panicked.
    ///
    /// # Panics
    /// When one of that is not so.
    pub fn assert_healthy(&mut self) {
        let ended = self.child.try_wait().expect("the child is ours");
        assert!(
            ended.is_none(),
            "the node died, {ended:?}: {}",
            self.stderr()
        );
        self.assert_clean_log();
    }

    /// Ends it with SIGTERM and checks that it ended well, in time, without a panic and without its secret in the log.
    ///
    /// # Panics
    /// When one of that is not so.
    pub fn stop(mut self) {
        let start = Instant::now();
        self.signal("TERM");
        let status = self.wait_for_end(STOP);
        assert!(
            start.elapsed() <= STOP,
            "it took {:?} to stop",
            start.elapsed()
        );
        self.join_stderr();
        assert!(
            status.success(),
            "it ended with {status}: {}",
            self.stderr()
        );
        self.assert_clean_log();
    }

    /// Ends it with SIGKILL and returns the options to start it again at the same home.
    ///
    /// They hold its port, where nobody listens meanwhile.
    pub fn kill(mut self) -> NodeOptions {
        self.end();
        self.options.clone().holding(&self.url)
    }

    /// Ends it with SIGTERM as [`stop`](Self::stop) does, and returns the options to start it again at the same home.
    ///
    /// They hold its port, where nobody listens meanwhile.
    pub fn stop_for_restart(self) -> NodeOptions {
        let (options, url) = (self.options.clone(), self.url.clone());
        self.stop();
        options.holding(&url)
    }

    /// Sends a signal by its short name.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.pid());
        let sent = Command::new("sh").args(["-c", &command]).status();
        assert!(sent.is_ok_and(|s| s.success()), "{command} failed");
    }

    fn assert_clean_log(&self) {
        let log = self.stderr();
        assert!(
            !log.contains("panicked at"),
            "a part of the node panicked: {log}"
        );
        if self.home().state().join("secret").exists() {
            assert!(
                !log.contains(&self.home().secret()),
                "the secret is in the log"
            );
        }
    }

    fn wait_for_end(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("noded ends ({})", self.options.program.display());
        let stderr = Arc::clone(&self.stderr);
        let status = wait_until(&what, deadline, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(format!("it runs: {}", tail(&locked(&stderr)))),
            Err(e) => Err(e.to_string()),
        });
        self.ended = true;
        status
    }

    /// Returns all of its standard error; call it after its end.
    fn join_stderr(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
        self.stderr()
    }

    fn kept(&self) -> MutexGuard<'_, String> {
        locked(&self.stderr)
    }

    fn end(&mut self) {
        if !self.ended {
            self.ended = true;
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

#[allow(
    clippy::print_stderr,
    reason = "a failed test shows what its nodes said"
)]
impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = self.join_stderr();
            eprintln!("--- noded at {} said:\n{}\n---", self.url, tail(&log));
        }
    }
}

fn locked(text: &Mutex<String>) -> MutexGuard<'_, String> {
    text.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn keep(mut pipe: impl Read, kept: &Mutex<String>) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut piece) {
        locked(kept).push_str(&String::from_utf8_lossy(&piece[..count]));
    }
}

/// Returns the last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
