//! Opening the browser of the person at the machine.
//!
//! The arguments of a process can be read by every user of the machine, so the link with its token is not one of them: it stands in
//! a file that only its owner can read, and the browser is given the name of that file.
#![allow(
    clippy::disallowed_methods,
    reason = "writes into a private temporary directory of this program"
)]

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Command, Stdio},
};

use node_base::platform;

/// The result of opening.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Opening {
    /// The system was asked to.
    Asked,
    /// There is no screen to open one on.
    NoScreen,
    /// The system has nothing to open it with.
    Failed,
}

/// Asks the system to open `link`.
pub(super) fn open(directory: &Path, link: &str) -> Opening {
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"]
        .into_iter()
        .any(|variable| env::var_os(variable).is_some());
    let Some(opener) = platform::opener(has_screen) else {
        return Opening::NoScreen;
    };
    let file = directory.join("open.html");
    let begun = write(&file, link).and_then(|()| {
        Command::new(opener)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    });
    match begun {
        Ok(mut child) => {
            // Its end is of no interest, but it has to be taken note of.
            std::thread::spawn(move || child.wait());
            Opening::Asked
        }
        Err(_) => Opening::Failed,
    }
}

/// Writes the page that leads to the link, which has nothing in it that HTML would read otherwise.
fn write(file: &Path, link: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Sixhop</title>\
         <meta http-equiv=\"refresh\" content=\"0;url={link}\"><a href=\"{link}\">Sixhop</a>\n"
    );
    options.open(file)?.write_all(page.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("open.html");
        write(&file, "http://127.0.0.1:1/#abc").unwrap();
        write(&file, "http://127.0.0.1:1/#def").unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(file).unwrap();
        assert!(
            text.contains("url=http://127.0.0.1:1/#def\"") && !text.contains("abc"),
            "{text}"
        );
    }
}
