//! The checks of `ctl doctor`.
//!
//! [`checks`] asks; the functions below it decide, without asking anybody.

use std::{io, path::Path};

use node_api::{
    node::{Check, CheckState, LayerState, SandboxStatus},
    peer::PeerState,
};
use node_base::{
    platform::{
        space::{self, Space},
        usage::{self, Usage},
    },
    size::shown,
};
use plugin_api::IndexStatus;

use super::{
    Owner,
    node::{REACH_CURE, reach},
    peer,
};

/// Room below which a disk is about to be full, in bytes.
const SPACE_LOW: u64 = 1 << 30;

/// Room below which a disk takes no more files, in bytes.
const SPACE_NONE: u64 = 32 << 20;

/// Files that a node needs to serve many peers.
const FILES_WANTED: u64 = 1_024;

/// Seconds by which a clock may be set while the node runs.
const CLOCK_MOVED_MAX: f64 = 5.0;

/// Checks share, disk, clock, ports and peers of the node.
pub(super) async fn checks(owner: &Owner) -> Vec<Check> {
    let node = &owner.node;
    let share_path = node.share().path().to_owned();
    let state_path = owner.renewal.state().to_owned();
    let asked = move || {
        let space = [space::of(&share_path), space::of(&state_path)];
        (usage::of_process(), space)
    };
    let (used, [share_space, state_space]) = match node.disk().run(asked).await {
        Ok(said) => said,
        Err(error) => {
            let failed = |error: &dyn std::error::Error| Err(io::Error::other(error.to_string()));
            (Usage::default(), [failed(&error), failed(&error)])
        }
    };
    let index = node.handlers().index().map(|index| index.status());
    let peers = node.overlay().list();
    let up = peers
        .iter()
        .filter(|peer| peer::state(peer) == PeerState::Up);
    let sixhop = peers.iter().filter(|peer| peer.id.is_some());
    let in_clear = sixhop
        .clone()
        .filter(|entry| peer::is_in_clear(entry, node.overlay().path_to(&entry.url)));
    let mut checks = vec![
        share(node.share().trouble(), node.catalogue().count()),
        unreadable(node.catalogue().unreadable().len()),
        watching(node.unwatched(), used.watches_max),
        ignore_files(&node.share().ignore_troubles()),
    ];
    checks.extend(index.as_ref().map(indexing));
    checks.extend([
        files(used),
        space_of("share space", node.share().path(), share_space),
        space_of("state space", owner.renewal.state(), state_space),
        clock(node.clock_moved()),
        ports(&node.address().to_string(), &owner.control.to_string()),
        reached(
            node.overlay()
                .not_called_back()
                .or_else(|| reach(node.url())),
            node.url().as_str(),
        ),
        known_peers(peers.len(), up.count()),
        encryption(sixhop.clone().count(), in_clear.count()),
        sandbox(&owner.sandbox),
    ]);
    checks
}

fn ok(name: &str, text: impl Into<String>) -> Check {
    Check {
        name: name.to_owned(),
        state: CheckState::Ok,
        text: text.into(),
        advice: None,
    }
}

fn warning(name: &str, text: impl Into<String>, advice: impl Into<String>) -> Check {
    Check {
        state: CheckState::Warning,
        advice: Some(advice.into()),
        ..ok(name, text)
    }
}

fn failed(name: &str, text: impl Into<String>, advice: impl Into<String>) -> Check {
    Check {
        state: CheckState::Failed,
        advice: Some(advice.into()),
        ..ok(name, text)
    }
}

fn share(trouble: Option<String>, files: u64) -> Check {
    match trouble {
        Some(trouble) => failed(
            "share",
            trouble,
            "bring the directory back or make it readable; the node goes on by itself",
        ),
        None if files == 0 => warning(
            "share",
            "no file is shared",
            "put files into the directory; `ctl ls --skipped` lists those that are not shared, with the reason",
        ),
        None => ok("share", format!("files: {files}")),
    }
}

fn unreadable(entries: usize) -> Check {
    match entries {
        0 => ok("permissions", "everything in the share can be read"),
        entries => warning(
            "permissions",
            format!("entries of the share that cannot be read: {entries}"),
            "`ctl status` names them; give the node the right to read them",
        ),
    }
}

fn watching(unwatched: Option<String>, max: Option<u64>) -> Check {
    match unwatched {
        Some(text) => warning(
            "watching",
            text,
            "until then `ctl rescan` has the node look at once",
        ),
        None => ok(
            "watching",
            match max {
                Some(max) => {
                    format!("every change is noticed at once; {max} directories may be watched")
                }
                None => "every change is noticed at once".to_owned(),
            },
        ),
    }
}

fn ignore_files(troubles: &[String]) -> Check {
    match troubles {
        [] => ok("ignore files", "every line is understood"),
        troubles => warning(
            "ignore files",
            troubles.join("; "),
            "mend the lines; until then they are passed over",
        ),
    }
}

fn indexing(status: &IndexStatus) -> Check {
    match (&status.error, status.waiting) {
        (Some(error), _) => failed(
            "index",
            error.clone(),
            "see `state space`; remove STATE/index while the node is stopped to have it built again",
        ),
        (None, 0) => ok("index", format!("files: {}", status.files)),
        (None, waiting) => ok(
            "index",
            format!("files: {}; {waiting} wait to be read", status.files),
        ),
    }
}

fn files(used: Usage) -> Check {
    let cure = "raise the limit: `ulimit -n 65536` before the start, or LimitNOFILE= in the unit";
    let (Some(open), Some(max)) = (used.open_files, used.open_files_max) else {
        return ok("open files", "the system does not say how many there are");
    };
    let text = format!("{open} of {max}");
    if open.saturating_mul(10) >= max.saturating_mul(9) {
        failed("open files", text, cure)
    } else if max < FILES_WANTED {
        warning("open files", text, cure)
    } else {
        ok("open files", text)
    }
}

fn space_of(name: &str, path: &Path, space: io::Result<Space>) -> Check {
    let path = path.display();
    let Space { available, total } = match space {
        Ok(space) => space,
        Err(error) => {
            let text = format!("{path}: {error}");
            return warning(name, text, "look at the disk yourself: `df`");
        }
    };
    let text = format!("{} of {} free for {path}", shown(available), shown(total));
    if available < SPACE_NONE {
        failed(name, text, "remove files, or `ctl cache clear`")
    } else if available < SPACE_LOW {
        warning(
            name,
            text,
            "remove files, or give the node less with --cache-size",
        )
    } else {
        ok(name, text)
    }
}

fn clock(moved: f64) -> Check {
    if moved < -CLOCK_MOVED_MAX {
        let text = format!("it was set back by {:.0} s while the node ran", -moved);
        let advice = "keep the clock right with a time service: `timedatectl set-ntp true`";
        warning("clock", text, advice)
    } else {
        ok("clock", "it was not set back while the node ran")
    }
}

fn ports(listen: &str, control: &str) -> Check {
    ok("ports", format!("peers at {listen}, control at {control}"))
}

fn reached(trouble: Option<String>, url: &str) -> Check {
    match trouble {
        Some(text) if text.contains(REACH_CURE) => {
            let text = text.replace(&format!("; {REACH_CURE}"), "");
            warning("reach", text, REACH_CURE)
        }
        Some(text) => warning("reach", text, REACH_CURE),
        None => ok("reach", url),
    }
}

fn known_peers(all: usize, up: usize) -> Check {
    match (all, up) {
        (0, _) => warning(
            "peers",
            "no peer is known",
            "introduce one with `ctl hello URL`",
        ),
        (all, 0) => failed(
            "peers",
            format!("none of {all} answers"),
            "`ctl peers` says why; is the network there, and do they run?",
        ),
        (all, up) => ok("peers", format!("{up} of {all} answer")),
    }
}

fn encryption(sixhop: usize, in_clear: usize) -> Check {
    if in_clear > 0 {
        return warning(
            "encryption",
            format!("{in_clear} of {sixhop} Sixhop nodes are spoken to in clear"),
            "`ctl peers` says which; run `ctl invite` there, and `ctl hello` here with the address that it prints",
        );
    }
    let trusted = "who was first met by an http:// URL was trusted then; an address of `ctl invite` trusts nobody";
    ok(
        "encryption",
        format!("TLS with {sixhop} of {sixhop} Sixhop nodes; {trusted}"),
    )
}

fn sandbox(status: &SandboxStatus) -> Check {
    let layers = [("system calls", &status.calls), ("files", &status.files)];
    let missing = layers.iter().filter_map(|(layer, state)| match state {
        LayerState::Unavailable { reason } => Some(format!("{layer}: {reason}")),
        LayerState::Held | LayerState::Off => None,
    });
    let missing: Vec<_> = missing.collect();
    if missing.is_empty() {
        return ok("sandbox", "what was asked for is held");
    }
    let advice = "the node runs on without it; `--sandbox calls` or `off` asks for less";
    warning("sandbox", missing.join("; "), advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(check: &Check) -> CheckState {
        assert_eq!(
            check.advice.is_some(),
            check.state != CheckState::Ok,
            "{check:?}"
        );
        check.state
    }

    #[test]
    fn disk_with_little_room_is_said_before_it_is_full() {
        for (available, expected) in [
            (0, CheckState::Failed),
            (SPACE_NONE, CheckState::Warning),
            (SPACE_LOW, CheckState::Ok),
        ] {
            let total = 10 << 30;
            let check = space_of(
                "share space",
                Path::new("/x"),
                Ok(Space { available, total }),
            );
            assert_eq!(state(&check), expected, "{available}");
        }
        let gone = Err(io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(
            state(&space_of("share space", Path::new("/x"), gone)),
            CheckState::Warning
        );
    }

    #[test]
    fn files_are_counted_against_their_limit() {
        for (open, max, expected) in [
            (10, 65_536, CheckState::Ok),
            (10, 64, CheckState::Warning),
            (60, 64, CheckState::Failed),
            (60_000, 65_536, CheckState::Failed),
        ] {
            let used = Usage {
                open_files: Some(open),
                open_files_max: Some(max),
                ..Usage::default()
            };
            assert_eq!(state(&files(used)), expected, "{open} of {max}");
        }
        assert_eq!(state(&files(Usage::default())), CheckState::Ok);
    }

    #[test]
    fn nodes_in_clear_are_a_warning() {
        assert_eq!(state(&encryption(0, 0)), CheckState::Ok);
        assert_eq!(state(&encryption(3, 0)), CheckState::Ok);
        assert_eq!(state(&encryption(3, 1)), CheckState::Warning);
    }

    #[test]
    fn clock_that_was_set_back_is_a_warning() {
        for (moved, expected) in [
            (0.0, CheckState::Ok),
            (3_600.0, CheckState::Ok),
            (-1.0, CheckState::Ok),
            (-60.0, CheckState::Warning),
        ] {
            assert_eq!(state(&clock(moved)), expected, "{moved}");
        }
    }

    #[test]
    fn sandbox_that_cannot_be_had_is_a_warning() {
        let mut status = SandboxStatus::default();
        assert_eq!(state(&sandbox(&status)), CheckState::Ok);
        status.files = LayerState::Unavailable {
            reason: "no Landlock".to_owned(),
        };
        let check = sandbox(&status);
        assert_eq!(state(&check), CheckState::Warning);
        assert_eq!(check.text, "files: no Landlock");
    }

    #[test]
    fn nobody_who_answers_is_worse_than_nobody_known() {
        assert_eq!(state(&known_peers(0, 0)), CheckState::Warning);
        assert_eq!(state(&known_peers(3, 0)), CheckState::Failed);
        assert_eq!(state(&known_peers(3, 1)), CheckState::Ok);
    }

    #[test]
    fn advice_about_reach_is_said_once() {
        let text = format!("nobody calls back; {REACH_CURE}");
        let check = reached(Some(text), "http://192.0.2.1/");
        assert_eq!(check.text, "nobody calls back");
        assert_eq!(check.advice.as_deref(), Some(REACH_CURE));
    }
}
