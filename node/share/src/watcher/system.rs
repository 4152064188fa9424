//! The watcher of the system. The one home of `notify`.

use std::{path::Path, sync::Arc};

use cap_std::fs::Dir;
use node_wire::name::composed;
use notify::{
    Config, Error, ErrorKind, Event, EventKind, EventKindMask, RecommendedWatcher, RecursiveMode,
    Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind},
};

use super::{
    Hints, Mount, Signs, WatchError, Watcher, Watching,
    mounts::{mounted_below, silent_kind},
};
use crate::temporary::is_temporary_part;

/// The events to ask the system for: every change, and no reading. Each reader of a
/// file would wake us up, and the node reads more of them than anybody.
const WANTED: EventKindMask = EventKindMask::CORE.union(EventKindMask::ACCESS_CLOSE);

/// The watchers of the system.
#[derive(Debug)]
pub(crate) struct System;

struct SystemWatcher(RecommendedWatcher);

impl Watching for System {
    fn begin(&self, root: &Path, hints: &Arc<Hints>) -> Result<Box<dyn Watcher>, WatchError> {
        let (root, hints) = (root.to_owned(), Arc::clone(hints));
        let watcher = RecommendedWatcher::new(
            move |event: Result<Event, Error>| pass_on(&root, &hints, event),
            config(),
        );
        Ok(Box::new(SystemWatcher(watcher.map_err(error)?)))
    }

    fn mounts(&self, root: &Path) -> Vec<Mount> {
        mounted_below(root)
    }

    fn silent(&self, directory: &Dir) -> Option<String> {
        silent_kind(directory)
    }
}

impl Watcher for SystemWatcher {
    fn watch(&mut self, path: &Path) -> Result<(), WatchError> {
        // The library takes a path that it knows for watched, although another directory
        // may have taken it. It is not an error if it does not know the path.
        if let Err(error) = self.0.unwatch(path)
            && !matches!(error.kind, ErrorKind::WatchNotFound)
        {
            tracing::debug!(%error, "a directory that was watched before");
        }
        self.0
            .watch(path, RecursiveMode::NonRecursive)
            .map_err(error)
    }
}

fn config() -> Config {
    Config::default()
        .with_follow_symlinks(false)
        .with_event_kinds(WANTED)
}

fn error(error: Error) -> WatchError {
    // Too many instances for one user are reported as too many open files.
    let too_many = rustix::io::Errno::MFILE.raw_os_error();
    match error.kind {
        ErrorKind::MaxFilesWatch => WatchError::Limit,
        ErrorKind::Io(error) if error.raw_os_error() == Some(too_many) => WatchError::Limit,
        ErrorKind::PathNotFound => WatchError::Gone,
        ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::NotFound => WatchError::Gone,
        // One that nobody may read is noticed and said where it is listed.
        ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            WatchError::Gone
        }
        _ => WatchError::Other(error.to_string()),
    }
}

/// Makes hints of an event. Runs on the thread of the library, which has to
/// read the queue of the system in time: quick, and without waiting.
fn pass_on(root: &Path, hints: &Hints, event: Result<Event, Error>) {
    let event = match event {
        // Our own reads, and everybody's. That something was written is reported
        // as a change as well, but not if it was written through a mapping.
        Ok(event) if is_reading(event.kind) => return,
        Ok(event) => event,
        Err(error) => {
            tracing::debug!(%error, "the watcher of the share failed");
            return hints.everything();
        }
    };
    if event.need_rescan() {
        return hints.everything();
    }
    let signs = signs(event.kind);
    for path in event.paths {
        hint(root, hints, &path, signs);
    }
}

/// Returns the signs of an event. A write through a mapping shows only when the
/// file is closed.
fn signs(kind: EventKind) -> Signs {
    Signs {
        written: matches!(
            kind,
            EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any)
        ),
        renamed: matches!(kind, EventKind::Modify(ModifyKind::Name(_))),
    }
}

fn is_reading(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access != AccessKind::Close(AccessMode::Write),
        _ => false,
    }
}

fn hint(root: &Path, hints: &Hints, path: &Path, signs: Signs) {
    let Ok(below) = path.strip_prefix(root) else {
        return hints.root();
    };
    // A name that is not Unicode is not shared.
    match below.to_str() {
        Some("") => hints.root(),
        Some(name) if is_temporary_part(name.rsplit('/').next().unwrap_or(name)) => {}
        Some(name) => hints.sign(&composed(name), signs),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "tests fill the directory from outside"
    )]

    use notify::event::{CreateKind, DataChange, Flag, MetadataKind, RenameMode};

    use super::*;
    use crate::watcher::Batch;

    fn hints_of(event: Result<Event, Error>) -> Batch {
        let hints = Hints::default();
        pass_on(Path::new("/share"), &hints, event);
        hints.take()
    }

    fn event(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(path.into())
    }

    #[test]
    fn reading_gives_no_hint() {
        for kind in [
            AccessKind::Open(AccessMode::Any),
            AccessKind::Close(AccessMode::Read),
            AccessKind::Read,
        ] {
            let read = event(EventKind::Access(kind), "/share/a");
            assert!(hints_of(Ok(read)).is_empty(), "{kind:?}");
        }
    }

    #[test]
    fn reading_does_not_wake_us_up() {
        let share = tempfile::tempdir().unwrap();
        let file = |name: &str| share.path().join(name);
        std::fs::write(file("read"), "text").unwrap();
        let (events, told) = std::sync::mpsc::channel();
        let mut watcher = RecommendedWatcher::new(events, config()).unwrap();
        watcher
            .watch(share.path(), RecursiveMode::NonRecursive)
            .unwrap();
        std::fs::read(file("read")).unwrap();
        std::fs::write(file("written"), "text").unwrap();
        let first = told.recv_timeout(std::time::Duration::from_secs(20));
        let first = first.unwrap().unwrap();
        assert_eq!(first.paths, [file("written")], "{first:?}");
    }

    #[test]
    fn another_directory_at_a_path_is_watched_when_it_is_asked_for() {
        let share = tempfile::tempdir().unwrap();
        let path = |name: &str| share.path().join(name);
        let hints = Arc::new(Hints::default());
        std::fs::create_dir(path("a")).unwrap();
        let mut watcher = System.begin(share.path(), &hints).unwrap();
        watcher.watch(&path("a")).unwrap();
        std::fs::rename(path("a"), path("b")).unwrap();
        watcher.watch(&path("b")).unwrap();
        std::fs::create_dir(path("a")).unwrap();
        watcher.watch(&path("a")).unwrap();
        for directory in ["a", "b"] {
            std::fs::write(path(directory).join("new"), "text").unwrap();
            let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
            let name = format!("{directory}/new");
            while !hints.take().names.contains_key(&name) {
                assert!(std::time::Instant::now() < until, "{name}");
                hints.wait(std::time::Duration::from_millis(10));
            }
        }
    }

    #[test]
    fn our_temporaries_give_no_hint() {
        let kind = EventKind::Create(CreateKind::File);
        for path in [
            "/share/.sixhop-part-0123",
            "/share/a/b/.sixhop-part-0123456789abcdef2",
        ] {
            assert!(hints_of(Ok(event(kind, path))).is_empty(), "{path}");
        }
    }

    #[test]
    fn a_rename_is_a_hint_for_both_names() {
        let kind = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        let both = event(kind, "/share/a").add_path("/share/b/c".into());
        let names = hints_of(Ok(both)).names;
        let renamed = Signs {
            renamed: true,
            ..Signs::default()
        };
        let pair = |name: &str| (name.to_owned(), renamed);
        assert_eq!(
            names.into_iter().collect::<Vec<_>>(),
            [pair("a"), pair("b/c")]
        );
    }

    #[test]
    fn writes_are_told_from_other_changes() {
        for (kind, written) in [
            (EventKind::Modify(ModifyKind::Data(DataChange::Any)), true),
            (
                EventKind::Access(AccessKind::Close(AccessMode::Write)),
                true,
            ),
            (
                EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
                false,
            ),
            (EventKind::Create(CreateKind::File), false),
        ] {
            let names = hints_of(Ok(event(kind, "/share/a"))).names;
            assert_eq!(names["a"].written, written, "{kind:?}");
        }
    }

    #[test]
    fn a_full_queue_and_an_error_are_hints_for_everything() {
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert!(hints_of(Ok(overflow)).everything);
        assert!(hints_of(Err(Error::generic("broken"))).everything);
    }

    #[test]
    fn the_directory_itself_is_a_hint_for_the_root() {
        let kind = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        assert!(hints_of(Ok(event(kind, "/share"))).root);
    }

    #[test]
    fn the_limits_are_told_from_other_errors() {
        let errno = |errno: rustix::io::Errno| {
            Error::io(std::io::Error::from_raw_os_error(errno.raw_os_error()))
        };
        assert_eq!(
            error(Error::new(ErrorKind::MaxFilesWatch)),
            WatchError::Limit
        );
        assert_eq!(error(errno(rustix::io::Errno::MFILE)), WatchError::Limit);
        assert_eq!(error(errno(rustix::io::Errno::NOENT)), WatchError::Gone);
        assert!(WatchError::Limit.to_string().contains("max_user_watches"));
    }
}
