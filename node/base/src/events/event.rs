//! The kinds of events, each with its fields.

use serde::Serialize;
use serde_json::Value;

/// Defines [`Event`] and the names of its kinds from one text.
macro_rules! events {
    ($(
        #[doc = $text:literal]
        $variant:ident = $kind:literal {
            $( #[doc = $field_text:literal] $field:ident: $type:ty, )*
        }
    )*) => {
        /// Something that happens at a node.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Event {
            $(
                #[doc = $text]
                $variant { $( #[doc = $field_text] $field: $type, )* },
            )*
        }

        impl Event {
            /// The names of all kinds, each with its meaning.
            pub const KINDS: &'static [(&'static str, &'static str)] = &[ $( ($kind, $text), )* ];

            /// Returns the name of its kind, such as `fetch.done`.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $( Event::$variant { .. } => $kind, )*
                }
            }
        }
    };
}

events! {
    /// A peer became known.
    PeerAdded = "peer.added" {
        /// Its URL.
        url: String,
        /// The source of its URL.
        source: String,
    }
    /// A peer answered for the first time, or again after failures.
    PeerAnswered = "peer.answered" {
        /// Its URL.
        url: String,
    }
    /// A peer gave itself a name, or another one than before.
    PeerNamed = "peer.named" {
        /// Its URL.
        url: String,
        /// The name.
        name: String,
    }
    /// A known peer has a second URL.
    PeerSame = "peer.same" {
        /// The second URL.
        url: String,
        /// The URL under which it is known.
        known: String,
    }
    /// Another node than before is at the URL of a peer.
    PeerChanged = "peer.changed" {
        /// The URL.
        url: String,
        /// The id of the node before.
        was: String,
        /// The id of the node now, if it has one.
        is: Option<String>,
    }
    /// A peer that was met by its id did not show that id, and was not spoken to.
    PeerDowngrade = "peer.downgrade" {
        /// Its URL.
        url: String,
        /// The id that was met there.
        id: String,
        /// The proof that it gave instead.
        error: String,
    }
    /// A peer cannot call this node back at the URL that this node announced.
    PeerNotCalledBack = "peer.not_called_back" {
        /// The URL of this node.
        url: String,
        /// URL of the peer.
        peer: String,
    }
    /// A peer failed too often and is not asked any more.
    PeerDropped = "peer.dropped" {
        /// Its URL.
        url: String,
        /// The last failure.
        error: String,
    }
    /// The owner removed a peer.
    PeerRemoved = "peer.removed" {
        /// Its URL.
        url: String,
    }
    /// Files of the share appeared, changed or vanished.
    ShareChanged = "share.changed" {
        /// Number of files that appeared.
        added: usize,
        /// Number of files that changed.
        changed: usize,
        /// Number of files that vanished.
        removed: usize,
        /// Some of their names.
        names: Vec<String>,
    }
    /// Files were read for their digests.
    ShareHashed = "share.hashed" {
        /// Number of files.
        files: u64,
        /// Their bytes.
        bytes: u64,
    }
    /// The shared directory is gone; nothing is shared.
    ShareAway = "share.away" {
        /// Its path.
        path: String,
        /// The reason.
        text: String,
    }
    /// The shared directory is there again.
    ShareBack = "share.back" {
        /// Its path.
        path: String,
    }
    /// Another directory is shared from now on, as the owner accepted it.
    ShareReplaced = "share.replaced" {
        /// Its path.
        path: String,
    }
    /// The list of troubles with the ignore files changed.
    ShareIgnoreTrouble = "share.ignore_trouble" {
        /// A line for each.
        troubles: Vec<String>,
    }
    /// Not every change of the share is noticed at once.
    ShareUnwatched = "share.unwatched" {
        /// The reason.
        text: String,
    }
    /// The index has all files.
    IndexCaughtUp = "index.caught_up" {
        /// Files in it.
        files: u64,
        /// Files that were read since the start.
        read: u64,
        /// Bytes that it takes on the disk.
        bytes: u64,
    }
    /// A file of the plugin directory was loaded, refused or removed.
    PluginChanged = "plugin.changed" {
        /// Its name.
        file: String,
        /// The outcome.
        text: String,
    }
    /// The policy made no decision, so the answer was no.
    PolicyFailed = "policy.failed" {
        /// The reason.
        text: String,
        /// Failures since the last such event.
        untold: u64,
    }
    /// A cached blob was damaged and is dropped.
    CacheDropped = "cache.dropped" {
        /// Its digest, hex.
        digest: String,
    }
    /// The owner made a link by which others take or leave files.
    TicketAdded = "ticket.added" {
        /// Its number.
        id: u64,
        /// `share` or `ask`.
        kind: String,
    }
    /// Somebody took all that a link gives, or left a file by it.
    TicketUsed = "ticket.used" {
        /// Its number.
        id: u64,
        /// How often it was used so far.
        used: u32,
        /// The name of the file that was left, in the inbox.
        name: Option<String>,
    }
    /// A link was removed.
    TicketRemoved = "ticket.removed" {
        /// Its number.
        id: u64,
    }
    /// The time of a link is over.
    TicketExpired = "ticket.expired" {
        /// Its number.
        id: u64,
    }
    /// The owner gave somebody a token.
    TokenAdded = "token.added" {
        /// Its name.
        name: String,
        /// What its holder may do: `read`, `fetch` or `admin`.
        may: String,
    }
    /// A token was used for a call that changes something.
    TokenCalled = "token.called" {
        /// Its name.
        name: String,
        /// The method that was called.
        method: String,
    }
    /// A token was removed.
    TokenRemoved = "token.removed" {
        /// Its name.
        name: String,
    }
    /// The time of a token is over.
    TokenExpired = "token.expired" {
        /// Its name.
        name: String,
    }
    /// A content matches a query that stands.
    WatchMatch = "watch.match" {
        /// Number of the watch.
        watch: u64,
        /// The query.
        query: String,
        /// Number of the match in the watch.
        number: u64,
        /// Name of the file.
        name: String,
        /// Its size, if that is known.
        size: Option<u64>,
        /// Its digest, hex.
        digest: String,
        /// URL of the node that has it.
        node: String,
    }
    /// A node is not asked for a watch any more.
    WatchDropped = "watch.dropped" {
        /// Number of the watch.
        watch: u64,
        /// URL of the node.
        node: String,
        /// The reason.
        text: String,
    }
    /// A fetch began.
    FetchStarted = "fetch.started" {
        /// Number of the fetch.
        id: u64,
        /// Name of the file.
        name: String,
    }
    /// A fetch goes on; reported now and then.
    FetchProgress = "fetch.progress" {
        /// Number of the fetch.
        id: u64,
        /// Name of the file.
        name: String,
        /// Bytes that are here.
        bytes: u64,
        /// All bytes, if that is known.
        size: Option<u64>,
        /// Bytes a second.
        rate: u64,
        /// Milliseconds that the rest takes at this rate, if that is known.
        remaining: Option<u64>,
        /// URLs of the peers that delivered something.
        holders: Vec<String>,
    }
    /// A holder failed; the fetch goes on without it.
    FetchHolderFailed = "fetch.holder_failed" {
        /// Number of the fetch.
        id: u64,
        /// Name of the file.
        name: String,
        /// URL of the holder.
        peer: String,
        /// The error.
        error: String,
        /// True if it sent bytes that are not those of the digest.
        wrong_bytes: bool,
    }
    /// A file was fetched and is in the share.
    FetchDone = "fetch.done" {
        /// Number of the fetch.
        id: u64,
        /// Name of the file.
        name: String,
        /// Its size.
        bytes: u64,
        /// URL of the first peer that delivered something.
        peer: Option<String>,
        /// Its digest, hex, if it was checked.
        digest: Option<String>,
        /// URLs of the peers that delivered something.
        holders: Vec<String>,
    }
    /// A fetch was cancelled.
    FetchCancelled = "fetch.cancelled" {
        /// Number of the fetch.
        id: u64,
        /// Name of the file.
        name: String,
    }
    /// A fetch failed.
    FetchFailed = "fetch.failed" {
        /// Number of the fetch.
        id: u64,
        /// Name of the file.
        name: String,
        /// The reason.
        error: String,
    }
    /// A batch of fetches began.
    FetchBatchStarted = "fetch.batch_started" {
        /// Number of the batch.
        id: u64,
        /// The query whose hits are fetched.
        query: String,
    }
    /// A batch of fetches is over.
    FetchBatchDone = "fetch.batch_done" {
        /// Number of the batch.
        id: u64,
        /// The query whose hits were fetched.
        query: String,
        /// Files that were found.
        found: u64,
        /// Files that were fetched.
        done: u64,
        /// Files that were in the share already.
        existing: u64,
        /// Files that were not fetched.
        failed: u64,
        /// Bytes that were fetched.
        bytes: u64,
    }
}

impl Event {
    /// Returns its fields as an object.
    #[must_use]
    pub fn data(&self) -> Value {
        serde_json::to_value(self).expect("strings, numbers and lists are JSON")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn event_has_its_kind_and_its_fields_as_an_object() {
        let event = Event::PeerChanged {
            url: "http://a/".to_owned(),
            was: "b".to_owned(),
            is: None,
        };
        assert_eq!(event.kind(), "peer.changed");
        let data = json!({ "url": "http://a/", "was": "b", "is": null });
        assert_eq!(event.data(), data);
    }

    #[test]
    fn kinds_are_unique_and_stand_below_a_namespace() {
        for (n, (kind, text)) in Event::KINDS.iter().enumerate() {
            assert!(Event::KINDS[..n].iter().all(|(other, _)| other != kind));
            assert!(kind.contains('.') && !text.is_empty(), "{kind}");
        }
    }
}
