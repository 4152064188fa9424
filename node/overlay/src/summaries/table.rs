//! The table of summaries, one for each peer.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::{Duration, Instant},
};

use node_transport::Destination;
use node_wire::{Digest, Filter, NodeId, Nodes, Summary, peer_url::PeerUrl};

use super::{
    keys,
    question::{Question, Says},
};
use crate::planner::{Candidate, Hint};

/// Most summaries that are kept.
pub const SUMMARIES_MAX: usize = 64;

/// The time that a summary says no after the peer last confirmed it.
pub const NO_AGE: Duration = Duration::from_secs(20);

/// The time that a peer is known before its summary says no: one that has just started,
/// or was just given its files, may not have reported them yet.
const YOUNG: Duration = Duration::from_secs(2);

/// The time that a summary says yes.
pub const YES_AGE: Duration = Duration::from_secs(600);

/// The longest filter of a peer that is passed on, and accepted from others, in bytes.
pub const NEAR_BYTES_MAX: usize = 16 * 1024;

/// The number of times that a summary says yes before its precision is judged.
const JUDGED_AFTER: u32 = 8;

/// The summary of one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) version: String,
    pub(crate) handlers: Vec<String>,
    pub(crate) peers: Vec<PeerUrl>,
    /// The ids of the peers that it names.
    pub(crate) nodes: Nodes,
    pub(crate) files: Option<Filter>,
    pub(crate) grams: Option<Filter>,
    pub(crate) has_digests: bool,
    pub(crate) is_public: bool,
    pub(crate) near: Vec<(PeerUrl, Filter)>,
}

#[derive(Debug)]
struct Entry {
    peer: PeerUrl,
    told: Told,
    /// The address of the sender: the URLs in it are held to its scope.
    from: IpAddr,
    /// The time of its first summary.
    since: Instant,
    confirmed: Instant,
    /// The number of times that it said yes and was right.
    right: u32,
    wrong: u32,
}

/// The summaries of our peers.
#[derive(Debug, Default)]
pub struct Summaries {
    entries: HashMap<String, Entry>,
}

impl Summaries {
    /// Returns the version of a peer's last summary.
    pub(crate) fn version(&self, peer: &PeerUrl) -> Option<String> {
        let entry = self.entries.get(&peer.key())?;
        Some(entry.told.version.clone())
    }

    /// Stores the summary of a peer. One that builds on a version that is not here is
    /// forgotten, so that the whole is asked for.
    pub(crate) fn told(&mut self, peer: &PeerUrl, summary: Summary, from: IpAddr, now: Instant) {
        let key = peer.key();
        if summary.is_same {
            let entry = self.entries.get_mut(&key);
            if let Some(entry) = entry.filter(|entry| entry.told.version == summary.version) {
                entry.confirmed = now;
            }
            return;
        }
        let before = self.entries.remove(&key);
        let Some(told) = Told::of(summary, before.as_ref().map(|entry| &entry.told)) else {
            return;
        };
        if self.entries.len() >= SUMMARIES_MAX {
            return;
        }
        let since = before.as_ref().map_or(now, |entry| entry.since);
        let (right, wrong) = before.map_or((0, 0), |entry| (entry.right, entry.wrong));
        let entry = Entry {
            peer: peer.clone(),
            told,
            from,
            since,
            confirmed: now,
            right,
            wrong,
        };
        self.entries.insert(key, entry);
    }

    /// Forgets all but these peers.
    pub(crate) fn keep(&mut self, is_known: impl Fn(&PeerUrl) -> bool) {
        self.entries.retain(|_, entry| is_known(&entry.peer));
    }

    /// Judges a peer that was asked because its summary said yes.
    pub(crate) fn judge(&mut self, peer: &PeerUrl, was_right: bool) {
        if let Some(entry) = self.entries.get_mut(&peer.key()) {
            if was_right {
                entry.right = entry.right.saturating_add(1);
            } else {
                entry.wrong = entry.wrong.saturating_add(1);
            }
        }
    }

    /// Returns the handlers of peers, each with the peers that have it. Names that nobody can type are left out.
    pub(crate) fn handlers(&self) -> BTreeMap<String, Vec<PeerUrl>> {
        let mut handlers = BTreeMap::<String, Vec<PeerUrl>>::new();
        for entry in self.entries.values() {
            for name in entry.told.handlers.iter().filter(|name| is_prefix(name)) {
                let peers = handlers.entry(name.clone()).or_default();
                peers.push(entry.peer.clone());
            }
        }
        for peers in handlers.values_mut() {
            peers.sort_by(|a, b| a.as_str().cmp(b.as_str()));
            peers.dedup();
        }
        handlers
    }

    /// Returns the hint of a peer's summary.
    pub(crate) fn hint(&self, peer: &PeerUrl, question: &Question, now: Instant) -> Hint {
        let Some(entry) = self.entries.get(&peer.key()) else {
            return Hint::Open;
        };
        match question.put_to(&entry.told) {
            Says::Yes if entry.is_fresh(YES_AGE, now) && entry.is_precise() => Hint::Match,
            Says::No if entry.is_fresh(NO_AGE, now) && !entry.is_young(now) => Hint::RuledOut,
            Says::NoHandler if entry.is_fresh(NO_AGE, now) => Hint::NoHandler,
            _ => Hint::Open,
        }
    }

    /// Returns the peers of a peer that seem to have it; and if it is not asked itself, all
    /// others that it knows.
    pub(crate) fn beyond(
        &self,
        peer: &PeerUrl,
        is_asked: bool,
        question: &Question,
        now: Instant,
    ) -> Vec<Candidate<Destination>> {
        let Some(entry) = self.entries.get(&peer.key()) else {
            return Vec::new();
        };
        if !entry.is_fresh(YES_AGE, now) {
            return Vec::new();
        }
        let near = |peer: &PeerUrl| {
            let near = entry.told.near.iter();
            let found = near.clone().find(|(other, _)| other.same_peer(peer));
            found.map_or(Says::Nothing, |(_, files)| question.put_to_near(files))
        };
        let named = entry.told.peers.iter().zip(0..);
        let named = named.filter_map(|(peer, penalty)| {
            let hint = match near(peer) {
                Says::Yes if entry.is_precise() => Hint::Match,
                _ if is_asked => return None,
                Says::No => Hint::RuledOut,
                _ => Hint::Open,
            };
            Some(Candidate {
                peer: Destination::named_by(peer.clone(), entry.from)
                    .expecting(entry.told.nodes.at(peer)),
                hint,
                penalty,
            })
        });
        named.collect()
    }

    /// Returns the node that a peer says is at a URL.
    pub(crate) fn id_at(&self, url: &PeerUrl, now: Instant) -> Option<NodeId> {
        let entries = self.entries.values();
        let mut fresh = entries.filter(|entry| entry.is_fresh(YES_AGE, now));
        fresh.find_map(|entry| entry.told.nodes.at(url))
    }

    /// Returns the peers that seem to have it, for a caller: peers of ours, and peers of
    /// theirs. A summary that was meant for us alone is not passed on.
    pub(crate) fn matching(&self, question: &Question, now: Instant) -> Vec<PeerUrl> {
        let entries: Vec<_> = self.believed(now).collect();
        let own = entries
            .iter()
            .filter(|entry| question.put_to(&entry.told) == Says::Yes);
        let own = own.map(|entry| entry.peer.clone());
        let near = entries.iter().flat_map(|entry| &entry.told.near);
        let near = near.filter(|(_, files)| question.put_to_near(files) == Says::Yes);
        own.chain(near.map(|(peer, _)| peer.clone())).collect()
    }

    /// Returns the number of our peers that seem to have this content for everybody: a file
    /// that a peer has for us alone is no help to others.
    pub(crate) fn copies(&self, digest: &Digest, now: Instant) -> usize {
        let key = keys::digest(digest);
        let has = |entry: &&Entry| {
            let files = entry.told.files.as_ref();
            files.is_some_and(|files| files.has(key))
        };
        self.believed(now).filter(has).count()
    }

    /// Returns the files of our peers that may be passed on.
    pub(crate) fn near(&self, now: Instant) -> Vec<(PeerUrl, Filter)> {
        let near = self.believed(now).filter_map(|entry| {
            let files = entry.told.files.as_ref()?;
            is_short(files).then(|| (entry.peer.clone(), files.clone()))
        });
        let mut near: Vec<_> = near.collect();
        near.sort_by(|(a, _), (b, _)| a.cmp(b));
        near
    }

    /// Returns the entries that everybody may know and that still say yes.
    fn believed(&self, now: Instant) -> impl Iterator<Item = &Entry> {
        let entries = self.entries.values();
        entries
            .filter(|entry| entry.told.is_public && entry.is_precise())
            .filter(move |entry| entry.is_fresh(YES_AGE, now))
    }
}

impl Entry {
    fn is_fresh(&self, age: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.confirmed) < age
    }

    fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < YOUNG
    }

    /// Returns true if at least every second yes was right, as far as that is known.
    fn is_precise(&self) -> bool {
        self.right + self.wrong < JUDGED_AFTER || self.right >= self.wrong
    }
}

impl Told {
    /// Applies a summary to the one before. Returns `None` if it does
    /// not fit to that.
    fn of(summary: Summary, before: Option<&Told>) -> Option<Told> {
        let filter = |told: Option<node_wire::Told>, before: Option<&Filter>| match told {
            None => Some(None),
            Some(told) => Some(Some(told.over(before)?)),
        };
        let urls = |urls: &[String]| {
            let urls = urls.iter().filter_map(|url| PeerUrl::parse(url).ok());
            urls.collect::<Vec<_>>()
        };
        let near = summary.near.into_iter();
        let near = near.filter(|near| is_short(&near.files));
        Some(Told {
            files: filter(summary.files, before.and_then(|told| told.files.as_ref()))?,
            grams: filter(summary.grams, before.and_then(|told| told.grams.as_ref()))?,
            version: summary.version,
            handlers: summary.handlers,
            peers: urls(&summary.peers),
            nodes: summary.nodes,
            has_digests: summary.has_digests,
            is_public: summary.is_public,
            near: near
                .filter_map(|near| Some((PeerUrl::parse(&near.peer).ok()?, near.files)))
                .collect(),
        })
    }
}

fn is_prefix(name: &str) -> bool {
    let is_letter = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !name.is_empty() && name.bytes().all(is_letter)
}

fn is_short(files: &Filter) -> bool {
    files.bits() / 8 <= NEAR_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use node_wire::{FindWanted, Near};

    use super::*;
    use crate::summaries::NoHandlers;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn url(n: usize) -> PeerUrl {
        PeerUrl::parse(&format!("http://127.0.0.1:{}/", 10_000 + n)).unwrap()
    }

    fn filter(names: &[&str]) -> Filter {
        let keys: Vec<u64> = names.iter().map(|name| keys::full_name(name)).collect();
        Filter::of(keys.into_iter()).unwrap()
    }

    fn summary(names: &[&str], near: &[(usize, &[&str])]) -> Summary {
        Summary {
            version: names.concat(),
            files: Some(node_wire::Told::Whole(filter(names))),
            is_public: true,
            peers: near
                .iter()
                .map(|(n, _)| url(*n).as_str().to_owned())
                .collect(),
            near: near
                .iter()
                .map(|(n, names)| Near {
                    peer: url(*n).as_str().to_owned(),
                    files: filter(names),
                })
                .collect(),
            ..Summary::default()
        }
    }

    fn question(name: &str) -> Question {
        Question::of(&FindWanted::Name(name.to_owned()), &NoHandlers)
    }

    #[test]
    fn handlers_of_peers_are_known_by_whom_they_are() {
        let (mut table, now) = (Summaries::default(), Instant::now());
        for (n, handlers) in [
            (1, vec!["name", "said"]),
            (2, vec!["name", "\u{1b}[2J", ""]),
        ] {
            let handlers = handlers.into_iter().map(str::to_owned).collect();
            let told = Summary {
                handlers,
                ..summary(&["a"], &[])
            };
            table.told(&url(n), told, HERE, now);
        }
        let handlers = table.handlers();
        assert_eq!(handlers.keys().collect::<Vec<_>>(), ["name", "said"]);
        assert_eq!(handlers["name"], [url(1), url(2)]);
        assert_eq!(handlers["said"], [url(1)]);
    }

    #[test]
    fn a_summary_decides_as_long_as_it_is_fresh() {
        let (mut table, now) = (Summaries::default(), Instant::now());
        table.told(&url(1), summary(&["a"], &[]), HERE, now);
        let hint = |name: &str, at| table.hint(&url(1), &question(name), at);
        assert_eq!(hint("a", now), Hint::Match);
        assert_eq!(hint("b", now), Hint::Open);
        assert_eq!(hint("b", now + YOUNG), Hint::RuledOut);
        assert_eq!(hint("b", now + NO_AGE), Hint::Open);
        assert_eq!(hint("a", now + YES_AGE), Hint::Open);
        assert_eq!(table.hint(&url(2), &question("a"), now), Hint::Open);
        let same = Summary {
            version: "a".to_owned(),
            is_same: true,
            ..Summary::default()
        };
        table.told(&url(1), same, HERE, now + NO_AGE);
        assert_eq!(
            table.hint(&url(1), &question("b"), now + NO_AGE),
            Hint::RuledOut
        );
    }

    #[test]
    fn a_peer_that_is_wrong_too_often_is_believed_less() {
        let (mut table, now) = (Summaries::default(), Instant::now());
        table.told(&url(1), summary(&["a"], &[(2, &["a"])]), HERE, now);
        for _ in 0..JUDGED_AFTER {
            assert_eq!(table.hint(&url(1), &question("a"), now), Hint::Match);
            table.judge(&url(1), false);
        }
        assert_eq!(table.hint(&url(1), &question("a"), now), Hint::Open);
        assert!(table.matching(&question("a"), now).is_empty());
        assert!(table.near(now).is_empty());
        // Saying it once more does not make it right.
        table.told(&url(1), summary(&["a", "b"], &[]), HERE, now);
        assert_eq!(table.hint(&url(1), &question("a"), now), Hint::Open);
        for _ in 0..JUDGED_AFTER {
            table.judge(&url(1), true);
        }
        assert_eq!(table.hint(&url(1), &question("a"), now), Hint::Match);
    }

    #[test]
    fn peers_of_peers_are_known_and_told_on_if_they_may_be() {
        let (mut table, now) = (Summaries::default(), Instant::now());
        let near: &[(usize, &[&str])] = &[(2, &["b"]), (3, &["c"])];
        table.told(&url(1), summary(&["a"], near), HERE, now);
        let beyond = |is_asked| {
            let beyond = table.beyond(&url(1), is_asked, &question("b"), now);
            let beyond = beyond.into_iter();
            beyond
                .map(|c| (c.peer.url().clone(), c.hint))
                .collect::<Vec<_>>()
        };
        assert_eq!(beyond(true), [(url(2), Hint::Match)]);
        assert_eq!(
            beyond(false),
            [(url(2), Hint::Match), (url(3), Hint::RuledOut)]
        );
        assert_eq!(table.matching(&question("a"), now), [url(1)]);
        assert_eq!(table.matching(&question("c"), now), [url(3)]);
        assert_eq!(table.near(now).len(), 1);
        let private = Summary {
            is_public: false,
            ..summary(&["a", "b"], near)
        };
        table.told(&url(1), private, HERE, now);
        assert!(table.matching(&question("a"), now).is_empty());
        assert!(table.near(now).is_empty());
    }

    #[test]
    fn copies_are_those_that_peers_have_for_everybody() {
        let (mut table, now) = (Summaries::default(), Instant::now());
        let (rare, common) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let having = |digests: &[Digest], is_public| {
            let keys: Vec<u64> = digests.iter().map(keys::digest).collect();
            Summary {
                files: Some(node_wire::Told::Whole(
                    Filter::of(keys.into_iter()).unwrap(),
                )),
                is_public,
                ..Summary::default()
            }
        };
        table.told(&url(1), having(&[common], true), HERE, now);
        table.told(&url(2), having(&[common, rare], false), HERE, now);
        table.told(&url(3), having(&[common], true), HERE, now);
        table.told(&url(4), Summary::default(), HERE, now);
        let copies = |at| [&common, &rare].map(|digest| table.copies(digest, at));
        assert_eq!(copies(now), [2, 0]);
        assert_eq!(copies(now + YES_AGE), [0, 0]);
    }

    #[test]
    fn a_change_needs_what_it_changes() {
        let (mut table, now) = (Summaries::default(), Instant::now());
        let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let mut names: Vec<&str> = many.iter().map(String::as_str).collect();
        let old = summary(&names, &[]);
        let old_filter = filter(&names);
        names.push("b");
        let change = old_filter.change_to(&filter(&names)).unwrap();
        let changed = Summary {
            files: Some(node_wire::Told::Change(names.len(), change)),
            ..summary(&names, &[])
        };
        table.told(&url(1), changed.clone(), HERE, now);
        assert_eq!(table.version(&url(1)), None);
        table.told(&url(1), old, HERE, now);
        let later = now + YOUNG;
        assert_eq!(table.hint(&url(1), &question("b"), later), Hint::RuledOut);
        table.told(&url(1), changed, HERE, now);
        assert_eq!(table.hint(&url(1), &question("b"), now), Hint::Match);
    }

    #[test]
    fn a_long_filter_is_neither_told_on_nor_taken() {
        let (mut table, now) = (Summaries::default(), Instant::now());
        let names: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        table.told(&url(1), summary(&names, &[(2, &names)]), HERE, now);
        assert_eq!(table.hint(&url(1), &question("7"), now), Hint::Match);
        assert!(table.near(now).is_empty());
        assert_eq!(table.matching(&question("7"), now), [url(1)]);
    }

    #[test]
    fn the_table_is_bounded() {
        let (mut table, now) = (Summaries::default(), Instant::now());
        for n in 0..2 * SUMMARIES_MAX {
            table.told(&url(n), summary(&["a"], &[]), HERE, now);
        }
        assert_eq!(table.entries.len(), SUMMARIES_MAX);
        table.keep(|peer| peer.same_peer(&url(3)));
        assert_eq!(table.entries.len(), 1);
    }
}
