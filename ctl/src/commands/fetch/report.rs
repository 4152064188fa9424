//! The report of a fetch for a person.

use node_api::fetch::{FetchState, FetchStatus};

use crate::output::{Output, Progress, bytes, escaped, plural, shell_word};

/// Returns the line for a file that is in the share now.
pub(super) fn done(status: &FetchStatus) -> String {
    let from = match (&status.peer, status.holders.len()) {
        (Some(peer), 0..2) => format!(" from {}{}", escaped(peer), path(status)),
        (_, 0) => String::new(),
        (_, holders) => format!(" from {holders} holders"),
    };
    let (name, size) = (escaped(&status.name), bytes(status.bytes));
    format!("fetched {name} ({size}){from}")
}

/// Returns what carried a fetch from its one peer, behind the name of that peer.
fn path(status: &FetchStatus) -> String {
    let path = status.path.map(|path| format!(" ({})", path.name()));
    path.unwrap_or_default()
}

/// Explains a fetch that does not go on now.
pub(super) fn note(output: Output, typed: &str, status: &FetchStatus) {
    let (name, word) = (escaped(typed), shell_word(typed));
    match (status.state, &status.kept) {
        (FetchState::Waiting, _) => output.note(&format!(
            "the holders of {name} are away or busy; the fetch goes on when one answers"
        )),
        (_, Some(kept)) => output.note(&format!(
            "{} of {name} are kept for a day; `ctl fetch {word}` goes on with them, `ctl transfers drop {}` removes them",
            bytes(kept.bytes),
            status.id
        )),
        _ => {}
    }
}

/// Shows how far a fetch is.
pub(super) fn show(progress: &Progress, status: &FetchStatus) {
    let name = escaped(&status.name);
    match (status.state, &status.peer) {
        (FetchState::Searching, _) => {
            let asked = plural(status.asked, "peer", "peers");
            progress.say(format!("{name}: {asked} asked"));
        }
        (_, Some(peer)) if status.holders.len() < 2 => {
            progress.say(format!("{name} from {}{}", escaped(peer), path(status)));
        }
        (_, Some(_)) => progress.say(format!("{name} from {} holders", status.holders.len())),
        _ => {}
    }
    match status.size {
        Some(size) => progress.bytes_of(status.bytes, size),
        None => progress.bytes(status.bytes),
    }
}
