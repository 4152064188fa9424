//! The process of a program: how it starts and how it ends.
//!
//! # Lifecycle
//! A shell is started that waits for a line. Its limits are set, then it gets the
//! line and becomes the program: so the limits hold from the first instruction,
//! without code between `fork` and `exec`. The process leads a group of
//! its own. It ends on request (its input ends and the group gets `SIGTERM`),
//! and in any case with `SIGKILL` to the group before the process is waited for:
//! as long as it is not, nobody else can have the number of the group.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

use plugin_host::lock;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::{limits, pipes::Pipes};

/// The time that a program has to end when it is asked to.
pub const END_GRACE: Duration = Duration::from_millis(300);

/// Longest wait for a process that was killed.
const REAP_WAIT: Duration = Duration::from_secs(2);

/// Longest time between the end of the output of a process and its own.
const ENDING: Duration = Duration::from_millis(100);

/// Pause between two looks at a process that ends.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// The command of the shell: it waits for a line and becomes the program. Descriptors that the node was started with and
/// that it knows nothing of are closed, as far as a shell can name them.
const GATE: &str = "read -r go && exec \"$0\" 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-";

/// The environment of a program beside `PATH`.
const LANGUAGE: (&str, &str) = ("LANG", "C.UTF-8");

/// The path on which programs are looked for if the node has none.
const PATH_PLAIN: &str = "/usr/local/bin:/usr/bin:/bin";

/// A process and its group. Dropping it ends both.
#[derive(Debug)]
pub(crate) struct Leash {
    pid: Pid,
    child: Mutex<Held>,
}

#[derive(Debug)]
enum Held {
    Runs(Child),
    Ended(Option<ExitStatus>),
}

impl Leash {
    /// Starts `program`, an absolute path, in its directory.
    pub(crate) fn start(program: &Path) -> io::Result<(Leash, Pipes)> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", GATE])
            .arg(program)
            .current_dir(program.parent().unwrap_or(Path::new("/")))
            .env_clear()
            .env(
                "PATH",
                std::env::var_os("PATH").unwrap_or(PATH_PLAIN.into()),
            )
            .env(LANGUAGE.0, LANGUAGE.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let pid = Pid::from_child(&child);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let leash = Leash {
            pid,
            child: Mutex::new(Held::Runs(child)),
        };
        let (Some(mut input), Some(output), Some(errors)) = pipes else {
            return Err(io::Error::other("it has no pipes"));
        };
        limits::set(pid)?;
        input.write_all(b"go\n")?;
        Ok((leash, Pipes::new(input, output, errors)?))
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Returns true if it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        match *lock(&self.child) {
            Held::Ended(_) => true,
            Held::Runs(_) => self.is_zombie(),
        }
    }

    /// Returns the exit status if it has ended by itself, or does within a moment. Ends its group.
    pub(crate) fn end_by_itself(&self) -> Option<ExitStatus> {
        let until = Instant::now() + ENDING;
        while !self.has_ended() && Instant::now() < until {
            sleep(LOOK_PAUSE);
        }
        self.has_ended().then(|| self.kill()).flatten()
    }

    /// Ends it at once, with its group. Gives how it ended, if that is known.
    pub(crate) fn kill(&self) -> Option<ExitStatus> {
        let mut held = lock(&self.child);
        let child = match &mut *held {
            Held::Runs(child) => child,
            Held::Ended(status) => return *status,
        };
        // It fails only if all of the group have ended.
        let _ = kill_process_group(self.pid, Signal::KILL);
        let status = reap(child);
        if status.is_none() {
            tracing::warn!(pid = self.pid.as_raw_nonzero(), "a program does not die");
        }
        *held = Held::Ended(status);
        status
    }

    /// Asks it to end. Its input should have been closed.
    fn ask_to_end(&self) {
        if let Held::Runs(_) = *lock(&self.child) {
            let _ = kill_process_group(self.pid, Signal::TERM);
        }
    }

    /// Returns true if it has ended and waits to be reaped.
    fn is_zombie(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.pid), options), Ok(None))
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks all of `leashes` to end and ends them after [`END_GRACE`]. Blocks.
pub(crate) fn end_all<'a>(leashes: impl Iterator<Item = &'a Leash> + Clone) {
    leashes.clone().for_each(Leash::ask_to_end);
    let until = Instant::now() + END_GRACE;
    while Instant::now() < until && !leashes.clone().all(Leash::has_ended) {
        sleep(LOOK_PAUSE);
    }
    for leash in leashes {
        leash.kill();
    }
}

/// Waits for a process that was killed.
fn reap(child: &mut Child) -> Option<ExitStatus> {
    let until = Instant::now() + REAP_WAIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => sleep(LOOK_PAUSE),
            _ => return None,
        }
    }
}
