//! A program at a terminal of its own, for features that need one: editing lines, tables, progress.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::home::Home;
use crate::wait::wait_until;

const DEADLINE: Duration = Duration::from_secs(30);

/// Gives a program a terminal of `columns`, and its own standard input and output to who types and reads there.
const DRIVER: &str = r"
import fcntl, os, pty, select, struct, subprocess, sys, termios
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, int(sys.argv[1]), 0, 0))
def own():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
child = subprocess.Popen(sys.argv[2:], stdin=slave, stdout=slave, stderr=slave, preexec_fn=own)
os.close(slave)
typed = [0]
while True:
    for fd in select.select([master] + typed, [], [])[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b''
        if fd == 0 and not data:
            typed = []
        elif fd == 0:
            os.write(master, data)
        elif data:
            os.write(1, data)
        else:
            sys.exit(child.wait())
";

/// A program that runs at a terminal. It is killed at drop.
#[derive(Debug)]
pub struct Pty {
    child: Child,
    keyboard: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Pty {
    /// Starts `program` with the state of `home` at a terminal that is so many columns wide.
    ///
    /// # Panics
    /// Panics if there is no python3.
    pub fn start<I: IntoIterator<Item: AsRef<OsStr>>>(
        program: impl AsRef<Path>,
        home: &Home,
        columns: u16,
        args: I,
    ) -> Pty {
        let mut child = Command::new("python3")
            .args(["-c", DRIVER, &columns.to_string()])
            .arg(program.as_ref())
            .arg("--state")
            .arg(home.state())
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.root())
            .env("TERM", "xterm")
            .current_dir(home.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut output = child.stdout.take().expect("standard output is a pipe");
        let screen = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.extend_from_slice(&bytes[..count]);
            }
        });
        Pty {
            keyboard: child.stdin.take().expect("standard input is a pipe"),
            child,
            screen,
            reader: Some(reader),
        }
    }

    /// Presses keys.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn press(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .and_then(|()| self.keyboard.flush())
            .expect("the terminal is there");
    }

    /// Returns all that was written to the terminal so far, control sequences of the terminal left out.
    #[must_use]
    pub fn text(&self) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        without_sequences(&String::from_utf8_lossy(&screen))
    }

    /// All that was written to the terminal so far, as it came.
    #[must_use]
    pub fn raw(&self) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&screen).into_owned()
    }

    /// Waits until `text` was written, and forgets all that was written up to then.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn expect(&mut self, text: &str) -> String {
        wait_until(&format!("{text:?} on the terminal"), DEADLINE, || {
            let shown = self.text();
            if shown.contains(text) {
                Ok(())
            } else {
                Err(shown)
            }
        });
        let shown = self.text();
        self.screen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        shown
    }

    /// Waits for the end of the program. Returns its exit code and its last output.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn ends(self) -> (i32, String) {
        let (code, screen) = self.ends_raw();
        (code, without_sequences(&screen))
    }

    /// Waits for the end of the program. Returns its exit code and all that it wrote, with control sequences.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn ends_raw(mut self) -> (i32, String) {
        let code = wait_until("the program at the terminal ends", DEADLINE, || match self
            .child
            .try_wait()
        {
            Ok(Some(status)) => Ok(status.code().unwrap_or(-1)),
            Ok(None) => Err(self.text()),
            Err(error) => Err(error.to_string()),
        });
        // Its last output may not have been read yet.
        let reader = self.reader.take().expect("the screen is read once");
        reader.join().expect("the screen can be read");
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        (code, String::from_utf8_lossy(&screen).into_owned())
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Both fail when it has ended, which is the usual case.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns text without sequences that begin with an escape character.
fn without_sequences(text: &str) -> String {
    let mut shown = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\u{1b}' {
            shown.push(letter);
            continue;
        }
        if letters.next_if_eq(&'[').is_some() {
            // Parameters, then one letter.
            while letters.next_if(|c| !('@'..='~').contains(c)).is_some() {}
        }
        letters.next();
    }
    shown
}
