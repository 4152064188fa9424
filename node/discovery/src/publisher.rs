//! Saying in a distributed hash table which files this node has.
//!
//! # Participants
//! [`Publications`] decides which file is next, a state machine over a given
//! clock; [`Publisher`] does it. [`Files`] says which files there are.
//!
//! # What is said
//! That somebody at this address has the content of a digest, to everybody who
//! knows the digest. So it is done only when the owner said so, and only of what
//! any stranger may have ([`Files::is_public`]), which is asked each time before.
//!
//! # Invariants
//! - At most [`PER_HOUR`] files an hour are looked up and announced.
//! - Rare files come first: those that fewest have, as far as the peers say and as
//!   it was when it was last looked. A file that [`COMMON`] others have announced
//!   is not announced.
//! - What is not public is not looked up either: a look tells the digest to who
//!   knows it.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Debug,
    sync::Arc,
    time::{Duration, Instant},
};

use node_wire::Digest;
use tokio::{select, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    dht::{Dht, Reply},
    infohash::Infohash,
};
use node_base::clock::now;

/// Most files an hour.
pub const PER_HOUR: usize = 100;

/// Holders with which a file is not rare.
pub const COMMON: usize = 8;

/// Most files that are considered.
pub const FILES_MAX: usize = 10_000;

/// Shortest time between two files.
const SPACING: Duration = Duration::from_secs(5);

/// Time after which a file is announced again: most nodes of the Mainline DHT
/// forget after 45 minutes.
const AGAIN: Duration = Duration::from_secs(40 * 60);

/// Time after which it is looked again whether a common file is rare by now.
const COMMON_AGAIN: Duration = Duration::from_secs(6 * 3_600);

/// Time after which it is asked again whether a file is public that was not.
const WITHHELD_AGAIN: Duration = Duration::from_secs(3_600);

/// Pause after a file that is not public.
const WITHHELD_PAUSE: Duration = Duration::from_millis(50);

/// Time until the first file: until then a node that starts hears what its peers
/// have, and learns its own digests.
const SETTLING: Duration = Duration::from_secs(10);

/// The interval at which the files are listed.
const FILES_EVERY: Duration = Duration::from_secs(60);

/// Time for looking up the holders of a file.
const LOOKUP: Duration = Duration::from_secs(3);

/// The interval at which the publisher checks whether something is due.
const TICK: Duration = Duration::from_secs(1);

const HOUR: Duration = Duration::from_secs(3_600);

/// The source of the files.
pub trait Files: Debug + Send + Sync {
    /// Returns the files that there are, at most `most`.
    fn all(&self, most: usize) -> Reply<'_, Vec<File>>;

    /// Returns true if any stranger may have this content.
    fn is_public(&self, digest: Digest) -> Reply<'_, bool>;
}

/// A file that may be announced if it is public.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct File {
    /// Its content.
    pub digest: Digest,
    /// The number of our peers that seem to have it.
    pub peers: usize,
}

/// The order in which files are announced.
#[derive(Debug, Default)]
pub struct Publications {
    files: BTreeMap<Digest, Published>,
    /// The times at which files were handled in the last hour.
    done: VecDeque<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Published {
    /// The number of our peers that seem to have it.
    peers: usize,
    /// The number of nodes that had announced it at the last lookup.
    copies: usize,
    handled_at: Option<Instant>,
    due_at: Option<Instant>,
}

impl Publications {
    /// Takes the files that there are now; the others are forgotten.
    pub fn have(&mut self, files: impl IntoIterator<Item = File>) {
        let known = std::mem::take(&mut self.files);
        let keep = |File { digest, peers }| {
            let known = known.get(&digest).copied().unwrap_or_default();
            (digest, Published { peers, ..known })
        };
        self.files = files.into_iter().take(FILES_MAX).map(keep).collect();
    }

    /// Returns the file to look up and announce now, if one is due.
    pub fn next(&mut self, now: Instant) -> Option<Digest> {
        while self.done.front().is_some_and(|at| *at + HOUR <= now) {
            self.done.pop_front();
        }
        let spaced = self.done.back().is_none_or(|at| *at + SPACING <= now);
        if self.done.len() >= PER_HOUR || !spaced {
            return None;
        }
        let due = |file: &Published| file.due_at.is_none_or(|at| at <= now);
        let files = self.files.iter_mut().filter(|(_, file)| due(file));
        let (digest, file) = files.min_by_key(|(_, file)| (file.holders(), file.handled_at))?;
        (file.handled_at, file.due_at) = (Some(now), Some(now + AGAIN));
        self.done.push_back(now);
        Some(*digest)
    }

    /// Notes that the file that was to be handled `now` is not public: it takes no
    /// part of what may be done in an hour.
    pub fn withheld(&mut self, digest: &Digest, now: Instant) {
        self.done.pop_back();
        if let Some(file) = self.files.get_mut(digest) {
            file.due_at = Some(now + WITHHELD_AGAIN);
        }
    }

    /// Notes how many have announced a file. Says whether it is rare.
    pub fn found(&mut self, digest: &Digest, copies: usize, now: Instant) -> bool {
        let is_rare = copies < COMMON;
        if let Some(file) = self.files.get_mut(digest) {
            file.copies = copies;
            file.due_at = Some(now + if is_rare { AGAIN } else { COMMON_AGAIN });
        }
        is_rare
    }
}

impl Published {
    /// Returns the known number of its holders. A node that announced it may be a peer, so it is
    /// no sum.
    fn holders(&self) -> usize {
        self.copies.max(self.peers)
    }
}

/// The task that announces files.
#[derive(Debug)]
pub struct Publisher {
    dht: Arc<dyn Dht>,
    files: Arc<dyn Files>,
    port: u16,
    publications: Publications,
}

impl Publisher {
    /// Announces `files` of a node that listens on `port`.
    #[must_use]
    pub fn new(dht: Arc<dyn Dht>, files: Arc<dyn Files>, port: u16) -> Publisher {
        Publisher {
            dht,
            files,
            port,
            publications: Publications::default(),
        }
    }

    /// Announces until it is cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut files_at = now() + SETTLING;
        loop {
            select! {
                () = cancel.cancelled() => return,
                () = self.work(&mut files_at) => {}
            }
        }
    }

    async fn work(&mut self, files_at: &mut Instant) {
        if now() >= *files_at {
            *files_at = now() + FILES_EVERY;
            let files = self.files.all(FILES_MAX).await;
            self.publications.have(files);
        }
        match self.publications.next(now()) {
            Some(digest) if self.files.is_public(digest).await => self.publish(&digest).await,
            Some(digest) => {
                self.publications.withheld(&digest, now());
                sleep(WITHHELD_PAUSE).await;
            }
            None => sleep(TICK).await,
        }
    }

    async fn publish(&mut self, digest: &Digest) {
        let place = Infohash::of_file(digest);
        let copies = self.dht.lookup(place, LOOKUP).await.len();
        if !self.publications.found(digest, copies, now()) {
            return;
        }
        if let Err(error) = self.dht.announce(place, self.port).await {
            tracing::debug!(%error, "a file was not announced");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use super::*;
    use crate::dht::MemoryDht;

    fn digest(n: usize) -> Digest {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
        Digest::from_bytes(bytes)
    }

    /// Returns files that no peer seems to have.
    fn files(numbers: std::ops::Range<usize>) -> impl Iterator<Item = File> {
        numbers.map(|n| file(n, 0))
    }

    fn file(n: usize, peers: usize) -> File {
        File {
            digest: digest(n),
            peers,
        }
    }

    /// Returns the files that are handled within `time`, with `copies` found of each.
    fn handled(
        publications: &mut Publications,
        start: Instant,
        time: Duration,
        copies: impl Fn(&Digest) -> usize,
    ) -> Vec<Digest> {
        let mut handled = Vec::new();
        for second in 0..time.as_secs() {
            let now = start + Duration::from_secs(second);
            if let Some(next) = publications.next(now) {
                publications.found(&next, copies(&next), now);
                handled.push(next);
            }
        }
        handled
    }

    #[test]
    fn a_thousand_files_are_handled_in_turn_a_hundred_an_hour() {
        let mut publications = Publications::default();
        publications.have(files(0..1_000));
        let start = Instant::now();
        let first = handled(&mut publications, start, HOUR, |_| 0);
        assert_eq!(first.len(), PER_HOUR);
        let all = handled(&mut publications, start + HOUR, HOUR * 9, |_| 0);
        let different: std::collections::BTreeSet<_> = first.iter().chain(&all).collect();
        assert_eq!(different.len(), 1_000);
    }

    #[test]
    fn rare_files_are_kept_up_first_and_common_ones_left_out() {
        let mut publications = Publications::default();
        publications.have(files(0..60));
        let start = Instant::now();
        let copies = |digest: &Digest| match digest.as_bytes()[7] {
            n @ 0..30 => usize::from(n) % COMMON,
            _ => COMMON,
        };
        assert_eq!(
            handled(&mut publications, start, HOUR / 2, copies).len(),
            60
        );
        let again = handled(&mut publications, start + HOUR, HOUR, copies);
        assert!(again.iter().all(|digest| copies(digest) < COMMON));
        let order: Vec<usize> = again[..30].iter().map(copies).collect();
        assert!(order.is_sorted(), "{order:?}");
        assert!(!publications.found(&digest(1), COMMON, start));
    }

    #[test]
    fn files_that_are_gone_are_forgotten_and_too_many_are_cut() {
        let mut publications = Publications::default();
        publications.have([file(1, 0)]);
        publications.have([]);
        assert_eq!(publications.next(Instant::now()), None);
        publications.have(files(0..FILES_MAX * 2));
        assert_eq!(publications.files.len(), FILES_MAX);
    }

    #[test]
    fn files_of_few_peers_come_first_then_rarely_announced_ones() {
        let mut publications = Publications::default();
        publications.have(
            [3, 0, 2, 0, 1]
                .into_iter()
                .enumerate()
                .map(|(n, p)| file(n, p)),
        );
        let start = Instant::now();
        let copies = |digest: &Digest| usize::from(digest.as_bytes()[7]);
        let first = handled(&mut publications, start, HOUR / 2, copies);
        assert_eq!(first, [1, 3, 4, 2, 0].map(digest));
        // By what is known now the peers of 0 are gone, and 3 others have announced 3.
        publications.have((0..5).map(|n| file(n, 0)));
        let again = handled(&mut publications, start + HOUR, HOUR / 2, copies);
        assert_eq!(again, [0, 1, 2, 3, 4].map(digest));
    }

    #[test]
    fn withheld_files_use_up_no_quota_and_are_asked_about_again() {
        let mut publications = Publications::default();
        publications.have(files(0..PER_HOUR * 2));
        let now = Instant::now();
        for n in 0..PER_HOUR * 2 {
            assert_eq!(publications.next(now), Some(digest(n)));
            publications.withheld(&digest(n), now);
        }
        assert_eq!(publications.next(now + WITHHELD_AGAIN / 2), None);
        assert_eq!(publications.next(now + WITHHELD_AGAIN), Some(digest(0)));
    }

    /// Three files, the last of which is not public.
    #[derive(Debug)]
    struct Three;

    impl Files for Three {
        fn all(&self, _most: usize) -> Reply<'_, Vec<File>> {
            Box::pin(async { files(1..4).collect() })
        }

        fn is_public(&self, asked: Digest) -> Reply<'_, bool> {
            Box::pin(async move { asked != digest(3) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_rare_and_public_is_announced_and_nothing_else_is() {
        let dht = MemoryDht::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let [rare, common, withheld] = [1, 2, 3].map(|n| Infohash::of_file(&digest(n)));
        for n in 0..20 {
            dht.plant(common, SocketAddr::from(([203, 0, 113, n], 80)));
        }
        let cancel = CancellationToken::new();
        let publisher = Publisher::new(Arc::new(dht.clone()), Arc::new(Three), 4_001);
        let task = tokio::spawn(publisher.run(cancel.clone()));
        sleep(Duration::from_secs(30)).await;
        cancel.cancel();
        task.await.unwrap();
        assert_eq!(dht.at(rare), [SocketAddr::from(([127, 0, 0, 1], 4_001))]);
        assert_eq!(dht.at(common).len(), 20);
        assert_eq!(dht.at(withheld), []);
    }
}
