//! A share in memory, and programs made of a few lines of shell.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugin_api::{Asker, FileInfo, Files, Flow, Gap, Handler, HandlerError, Hit, Sink};
use plugin_process::Program;

/// Files by their names.
pub(crate) struct Memory(BTreeMap<String, Vec<u8>>);

/// Takes hits, up to a limit and until a time.
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    pub(crate) limit: usize,
    pub(crate) deadline: Instant,
    pub(crate) context: usize,
    pub(crate) is_partial: bool,
    pub(crate) asker: Asker,
}

impl Files for Memory {
    fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
        for (name, content) in &self.0 {
            if visit(&info(name, content)) == Flow::Stop {
                break;
            }
        }
        Ok(())
    }

    fn file(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        Ok(self.0.get(name).map(|content| info(name, content)))
    }

    fn read(&self, name: &str, from: u64, most: usize) -> Result<Option<Vec<u8>>, HandlerError> {
        let part = |content: &Vec<u8>| {
            let from = content.len().min(usize::try_from(from).unwrap());
            content[from..content.len().min(from.saturating_add(most))].to_vec()
        };
        Ok(self.0.get(name).map(part))
    }
}

impl Sink for Found {
    fn hit(&mut self, hit: Hit) -> Flow {
        if self.hits.len() < self.limit {
            self.hits.push(hit);
            return Flow::Continue;
        }
        Flow::Stop
    }

    fn flow(&self) -> Flow {
        if Instant::now() < self.deadline {
            Flow::Continue
        } else {
            Flow::Stop
        }
    }

    fn partial(&mut self, _: Gap) {
        self.is_partial = true;
    }

    fn room(&self) -> usize {
        self.limit - self.hits.len()
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }

    fn asker(&self) -> Asker {
        self.asker
    }

    fn context_lines(&self) -> usize {
        self.context
    }
}

impl Found {
    /// Creates a sink with room for many, and a time that a right program does not need.
    pub(crate) fn new() -> Found {
        Found {
            hits: Vec::new(),
            limit: 1_000,
            deadline: Instant::now() + Duration::from_secs(20),
            context: 0,
            is_partial: false,
            asker: Asker::Owner,
        }
    }

    pub(crate) fn within(time: Duration) -> Found {
        Found {
            deadline: Instant::now() + time,
            ..Found::new()
        }
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.hits.iter().map(|hit| hit.file.name.as_str()).collect()
    }
}

fn info(name: &str, content: &[u8]) -> FileInfo {
    FileInfo {
        name: name.to_owned(),
        size: content.len() as u64,
        modified: None,
        version: 1,
    }
}

pub(crate) fn share(files: &[(&str, &[u8])]) -> Arc<dyn Files> {
    let owned = files
        .iter()
        .map(|(name, content)| ((*name).to_owned(), content.to_vec()));
    Arc::new(Memory(owned.collect()))
}

/// Returns the first line of a program.
pub(crate) fn greeting(prefix: &str, version: u32) -> String {
    format!(
        r#"{{"sixhop":1,"id":"{prefix}","version":{version},"prefix":"{prefix}","description":"a test","examples":[{{"query":"q","files":{{}},"finds":[]}}],"changes":true}}"#
    )
}

/// Returns a program that introduces itself and does `body` for each query; `$id` is
/// its number, `$text` its text, `$line` the whole line.
pub(crate) fn source(prefix: &str, version: u32, body: &str) -> String {
    let greeting = greeting(prefix, version);
    format!(
        r#"#!/bin/sh
# The shell's own `echo` would undo what is escaped.
echo() {{ printf '%s\n' "$*"; }}
read -r hello
echo '{greeting}'
while read -r line; do
    id=${{line#*\"id\":}}; id=${{id%%[,\}}]*}}
    text=${{line#*\"text\":\"}}; text=${{text%%\"*}}
    case "$line" in *'"type":"answer"'*) ;; *'"type":"changed"'*) changed=$line; continue;; *) continue;; esac
    done='{{"type":"done","id":'$id'}}'
    {body}
done
"#
    )
}

/// Returns a hit of `$id`, for a body.
pub(crate) fn hit(name: &str) -> String {
    format!(r#"echo '{{"type":"hit","id":'$id',"name":"{name}"}}';"#)
}

/// Puts an executable file in place, whole.
pub(crate) fn put(directory: &Path, file: &str, text: &str) -> PathBuf {
    let written = directory.join(format!(".{file}.text"));
    std::fs::write(&written, text).unwrap();
    let new = directory.join(format!(".{file}.new"));
    // Another process writes what is run: a test in another thread that starts
    // something just then would hold a file open that this one has open to write.
    let install = Command::new("install")
        .args(["-m", "755"])
        .args([&written, &new])
        .status();
    assert!(install.unwrap().success());
    let path = directory.join(file);
    std::fs::rename(&new, &path).unwrap();
    path
}

/// A directory, and the program in it.
pub(crate) struct Lair {
    pub(crate) program: Program,
    pub(crate) home: tempfile::TempDir,
}

/// Returns a program that does `body` for each query.
pub(crate) fn program(body: &str) -> Lair {
    let home = tempfile::tempdir().unwrap();
    let path = put(home.path(), "test", &source("t", 1, body));
    Lair {
        program: Program::start(&path).unwrap(),
        home,
    }
}

impl Lair {
    /// Returns its hits for `query` in an empty share within a short time.
    pub(crate) fn ask(&self, query: &str) -> Result<Vec<String>, String> {
        self.ask_within(query, Duration::from_secs(20))
    }

    pub(crate) fn ask_within(&self, query: &str, time: Duration) -> Result<Vec<String>, String> {
        let mut found = Found::within(time);
        let files = share(&[("a.txt", b"a")]);
        let answered = self.program.answer(query, &files, &mut found);
        answered.map_err(|error| error.to_string())?;
        Ok(found.names().into_iter().map(str::to_owned).collect())
    }

    /// Asks likewise as soon as it does not rest any more.
    pub(crate) fn ask_rested(&self, query: &str, time: Duration) -> Result<Vec<String>, String> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            match self.ask_within(query, time) {
                Err(error) if error.contains("starts again") && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                answered => return answered,
            }
        }
    }

    /// Returns the text that it wrote into the file `name` of its directory.
    pub(crate) fn note(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.home.path().join(name)).ok()
    }
}

/// Returns true if a process of this number is there, even as a zombie.
pub(crate) fn is_there(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).exists()
}

/// Waits until `holds`.
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < until, "{what}: still not so");
        std::thread::sleep(Duration::from_millis(10));
    }
}
