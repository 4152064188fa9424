//! Nodes that a script starts: `node(#{…})` and the functions of such nodes alone.
//!
//! A script may write and read files in the share of a node that it started, by their names in the share, and nowhere
//! else.
//!
//! # Invariants
//! - A name is a [`ShareName`]; no directory on the way and no file is a symbolic link.
#![allow(
    clippy::disallowed_methods,
    reason = "writes below the share of a node that this script started, past no node's back"
)]

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use node_wire::{ShareName, name::TEMPORARY_PREFIX};
use rhai::{Array, Dynamic, Engine, EvalAltResult, Map};

use super::{
    session::Session,
    verbs::{Callee, Home, answer_of},
};
use crate::{
    connection::{Connection, Login},
    embedded::{EmbeddedNode, EmbeddedOptions},
    error::CtlError,
};

/// Longest text that `text` reads, in bytes.
const TEXT_MAX: u64 = 16 * 1024 * 1024;

/// Registers `node` and the methods of its results.
pub(super) fn register(engine: &mut Engine, session: &Arc<Session>) {
    let plain = Arc::clone(session);
    let with_options = Arc::clone(session);
    engine.register_fn("node", move || start(&plain, Map::new()));
    engine.register_fn("node", move |options: Map| start(&with_options, options));
    engine.register_fn("url", |node: &mut Callee| {
        answer_of(node, |node| Ok(node.home()?.url.clone()))
    });
    engine.register_fn("share", |node: &mut Callee| answer_of(node, share));
    engine.register_fn("put", |node: &mut Callee, name: &str, text: &str| {
        answer_of(node, |node| {
            put(&node.home()?.share, name, text)?;
            // What was put is found by whatever comes next.
            let wanted = serde_json::Map::from_iter([("name".to_owned(), name.into())]);
            let seen = node.connection.call("share.stat", &wanted);
            node.session.wait(seen).map(drop)
        })
    });
    engine.register_fn("text", |node: &mut Callee, name: &str| {
        answer_of(node, |node| text(&node.home()?.share, name))
    });
    engine.register_fn("stop", |node: &mut Callee| answer_of(node, stop));
}

fn start(session: &Arc<Session>, options: Map) -> Result<Callee, Box<EvalAltResult>> {
    let started = || {
        let wanted = wanted(options)?;
        let node = session.wait(EmbeddedNode::start(wanted))?;
        let connection = Connection::find(&Login::owner(node.state()))?;
        let home = Home {
            url: node.url().to_owned(),
            share: node.share().to_owned(),
            number: session.keep(node),
        };
        Ok(Callee {
            connection,
            session: Arc::clone(session),
            home: Some(Arc::new(home)),
        })
    };
    started().map_err(|error| session.raise(error))
}

fn wanted(options: Map) -> Result<EmbeddedOptions, CtlError> {
    let mut wanted = EmbeddedOptions::default();
    for (option, value) in options {
        match option.as_str() {
            "share" => wanted.share = Some(string("share", value)?.into()),
            "plugins" => wanted.plugins = Some(string("plugins", value)?.into()),
            "url" => wanted.url = Some(string("url", value)?),
            "peers" => wanted.peers = strings(value)?,
            "listen" => {
                let text = string("listen", value)?;
                let bad = |_| {
                    CtlError::usage(format!("listen: {text} is no address such as 127.0.0.1:0"))
                };
                wanted.listen = Some(text.parse().map_err(bad)?);
            }
            _ => {
                let known = "share, plugins, url, listen and peers";
                return Err(CtlError::usage(format!(
                    "node has no option {option}; it has {known}"
                )));
            }
        }
    }
    Ok(wanted)
}

fn string(option: &str, value: Dynamic) -> Result<String, CtlError> {
    value
        .into_string()
        .map_err(|kind| CtlError::usage(format!("{option} is a string, not of type {kind}")))
}

fn strings(value: Dynamic) -> Result<Vec<String>, CtlError> {
    let array: Array = value.into_array().map_err(|kind| {
        CtlError::usage(format!("peers is an array of URLs, not of type {kind}"))
    })?;
    array
        .into_iter()
        .map(|value| string("each of peers", value))
        .collect()
}

fn share(node: &Callee) -> Result<String, CtlError> {
    Ok(node.home()?.share.display().to_string())
}

fn stop(node: &Callee) -> Result<(), CtlError> {
    if let Some(running) = node.session.release(node.home()?.number) {
        node.session.wait_patiently(running.stop());
    }
    Ok(())
}

/// Writes a file of the share, over one that is there already. It appears whole or not at all.
fn put(share: &Path, name: &str, text: &str) -> Result<(), CtlError> {
    let name = parse(name)?;
    let mut directory = share.to_owned();
    for part in name.parent_parts() {
        directory.push(part);
        enter(&directory).map_err(|error| CtlError::file("make", &directory, error))?;
    }
    let path = directory.join(name.file_name());
    let write_error = |error| CtlError::file("write", &path, error);
    let mut temporary = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempfile_in(&directory)
        .map_err(write_error)?;
    temporary.write_all(text.as_bytes()).map_err(write_error)?;
    temporary
        .persist(&path)
        .map_err(|failed| write_error(failed.error))?;
    Ok(())
}

/// Makes the directory, or makes sure that it is one.
fn enter(directory: &Path) -> io::Result<()> {
    match fs::symlink_metadata(directory) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
        Err(_) => fs::create_dir(directory),
    }
}

/// Reads a text file of the share.
fn text(share: &Path, name: &str) -> Result<String, CtlError> {
    let path = existing(share, &parse(name)?)?;
    let read_error = |error| CtlError::file("read", &path, error);
    let mut text = String::new();
    let file = fs::File::open(&path).map_err(read_error)?;
    file.take(TEXT_MAX)
        .read_to_string(&mut text)
        .map_err(read_error)?;
    Ok(text)
}

/// Returns the path of a regular file in real directories.
fn existing(share: &Path, name: &ShareName) -> Result<PathBuf, CtlError> {
    let mut path = share.to_owned();
    let mut is_file = false;
    for part in name.parts() {
        path.push(part);
        let found =
            fs::symlink_metadata(&path).map_err(|error| CtlError::file("read", &path, error))?;
        is_file = found.is_file();
        if found.is_symlink() {
            break;
        }
    }
    if is_file {
        return Ok(path);
    }
    Err(CtlError::not_found(format!(
        "{name} is no file of the share"
    )))
}

fn parse(name: &str) -> Result<ShareName, CtlError> {
    ShareName::parse(name).map_err(|error| CtlError::usage(format!("{name}: {error}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_put_is_read() {
        let share = tempfile::tempdir().unwrap();
        put(share.path(), "a/b/c.txt", "one").unwrap();
        put(share.path(), "a/b/c.txt", "two").unwrap();
        assert_eq!(text(share.path(), "a/b/c.txt").unwrap(), "two");
    }

    #[test]
    fn no_name_leads_out_of_the_share() {
        let share = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("x"), "secret").unwrap();
        symlink(outside.path(), share.path().join("dir")).unwrap();
        symlink(outside.path().join("x"), share.path().join("link")).unwrap();
        for name in ["../x", "/etc/passwd", "dir/x", "", ".sixhop-part-x"] {
            assert!(put(share.path(), name, "new").is_err(), "{name}");
            assert!(text(share.path(), name).is_err(), "{name}");
        }
        assert!(text(share.path(), "link").is_err());
        put(share.path(), "link", "new").unwrap();
        assert_eq!(
            fs::read_to_string(outside.path().join("x")).unwrap(),
            "secret"
        );
    }

    #[test]
    fn a_missing_file_is_not_found() {
        let share = tempfile::tempdir().unwrap();
        assert_eq!(text(share.path(), "x").unwrap_err().exit_code(), 3);
    }

    #[test]
    fn odd_options_are_refused() {
        for (option, value) in [
            ("odd", "x".into()),
            ("share", 1.into()),
            ("plugins", 1.into()),
            ("peers", "x".into()),
            ("listen", "x".into()),
        ] {
            let options = Map::from([(option.into(), value)]);
            assert_eq!(wanted(options).unwrap_err().exit_code(), 2, "{option}");
        }
    }
}
