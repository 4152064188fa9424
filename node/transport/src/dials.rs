//! Calls that strangers cause: limits on their targets and their rate.
//!
//! A `hello` names a URL, so does a referral, and its sender chose a target for this
//! node. So each such call passes here first, whatever its reason. A `hello`
//! makes at most one call a minute to a target, few for each stranger, few in all. A
//! referral is followed once a minute to an address that has not answered as a Sixhop
//! node, and freely to one that has.
//!
//! # Invariants
//! - A target is called for the first time at most once in [`TARGET_PAUSE`], for all that
//!   name it, by any name: the host and port of the URL count, and so does the
//!   address that the call goes to. One that did not answer is called again a few times
//!   only, not sooner than [`AGAIN_PAUSE`] after any other call.
//! - While the first call of a referral to an address runs, others wait for what comes
//!   of it.
//! - On the Internet, referrals lead to at most [`PORTS_MAX`] ports of an address that
//!   have not answered, in a minute.
//! - The tables are bounded; when one is full, there is no call. Of those that have
//!   answered, the first one makes room.
//! - No I/O and no clock; time is a parameter.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use node_wire::{peer_url::PeerUrl, scope::Scope};
use tokio::sync::Notify;

use super::{call_scope::CheckedAddress, transport::TransportError};
use node_base::{
    bucket::{Bucket, Buckets, Quota, source_of},
    clock::now,
    sync::lock,
};

/// Shortest time between two calls to a target that strangers name.
pub const TARGET_PAUSE: Duration = Duration::from_secs(60);

/// Shortest time before a target that did not answer is called again.
pub const AGAIN_PAUSE: Duration = Duration::from_secs(2);

/// Most targets that are remembered. More than the calls in a pause.
const TARGETS_MAX: usize = 4_096;

/// Most addresses to which referrals led and that have not answered.
pub const HEARD_MAX: usize = 2_048;

/// Most ports of one address of the Internet to which referrals lead in a pause.
const PORTS_MAX: usize = 8;

/// The time that an address counts as one that has answered.
const ANSWERED_FOR: Duration = Duration::from_secs(3_600);

/// Most such addresses.
const ANSWERED_MAX: usize = 4_096;

/// Calls that one stranger may cause.
const SOURCE: Quota = Quota {
    burst: 8,
    refill: Duration::from_secs(10),
};

/// Calls that all strangers together may cause.
const ALL: Quota = Quota {
    burst: 512,
    refill: Duration::from_millis(200),
};

/// The greatest number of strangers with buckets of their own.
const SOURCES_MAX: usize = 4_096;

/// The calls that strangers caused. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct Dials(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    table: Mutex<Table>,
    /// Notifies waiters for the call of somebody else.
    ended: Notify,
}

#[derive(Debug)]
struct Table {
    targets: HashMap<Target, Instant>,
    /// Addresses to which referrals led, and when they were called.
    heard: HashMap<SocketAddr, Instant>,
    /// Addresses that are being called for the first time, and how many such calls run.
    calling: HashMap<SocketAddr, usize>,
    /// Addresses that answered as a Sixhop node, and when they last did.
    answered: HashMap<SocketAddr, Instant>,
    sources: Buckets<IpAddr>,
    all: Bucket,
}

/// A call to an address that runs, for others that wait for its result.
#[derive(Debug)]
pub struct Calling {
    dials: Dials,
    address: SocketAddr,
}

/// The decision about a referral.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Referral {
    /// It may: the address has answered before.
    Known,
    /// It may, and counts as followed.
    First,
    /// Another call is just finding out.
    Wait,
    /// It may not.
    Resting,
}

/// The decision about a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dial {
    /// It may, and counts as made.
    Now,
    /// Not before this time.
    At(Instant),
}

/// The turn of a call to a candidate: the first or a later one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// The first one since it was named.
    First,
    /// A later one: it did not answer, and may be starting.
    Again,
}

impl Turn {
    /// Returns the time that a target rests before this call.
    fn pause(self) -> Duration {
        match self {
            Turn::First => TARGET_PAUSE,
            Turn::Again => AGAIN_PAUSE,
        }
    }
}

/// The target of a call.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Target {
    /// Host and port, as the URL has them.
    Host(String, u16),
    /// An address and port.
    Address(SocketAddr),
    /// An address of the Internet, whatever the port.
    Machine(IpAddr),
}

impl Target {
    fn of(url: &PeerUrl) -> Target {
        let name = || url.host().trim_end_matches('.').to_owned();
        let host = url.ip().map_or_else(name, |ip| ip.to_string());
        Target::Host(host, url.port())
    }
}

impl Default for Table {
    fn default() -> Table {
        Table {
            targets: HashMap::new(),
            heard: HashMap::new(),
            calling: HashMap::new(),
            answered: HashMap::new(),
            sources: Buckets::new(SOURCES_MAX),
            all: Bucket::default(),
        }
    }
}

impl Dials {
    /// Asks for a call to `url`, which a stranger at `source` named. Strangers on
    /// this machine have no limit of their own.
    #[must_use]
    pub fn ask(&self, url: &PeerUrl, turn: Turn, source: Option<IpAddr>, now: Instant) -> Dial {
        lock(&self.0.table).ask(url, turn, source, now)
    }

    /// Asks for a call to an address, to which a URL that passed [`Dials::ask`]
    /// resolves.
    #[must_use]
    pub fn ask_address(&self, address: SocketAddr, turn: Turn, now: Instant) -> Dial {
        lock(&self.0.table).ask_address(address, turn, now)
    }

    /// Notes that an address is being called, until the result is dropped.
    #[must_use]
    pub fn begin(&self, address: CheckedAddress) -> Calling {
        let address = address.get();
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        *lock(&self.0.table).calling.entry(address).or_default() += 1;
        Calling {
            dials: self.clone(),
            address,
        }
    }

    /// Follows a referral to an address. Waits while another call finds out whether a node is
    /// there.
    ///
    /// # Errors
    /// Errors if it was called not long ago and did not answer as a Sixhop node, or the
    /// limits are reached.
    pub(super) async fn follow(
        &self,
        address: CheckedAddress,
    ) -> Result<Option<Calling>, TransportError> {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let referral = lock(&self.0.table).follow(address.get(), now());
            match referral {
                Referral::Known => return Ok(None),
                Referral::First => return Ok(Some(self.begin(address))),
                Referral::Wait => ended.await,
                Referral::Resting => return Err(TransportError::Resting),
            }
        }
    }

    /// Notes that an address answered as a Sixhop node.
    pub(super) fn answered(&self, address: CheckedAddress) {
        lock(&self.0.table).answered(address.get(), now());
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        let mut table = lock(&self.dials.0.table);
        if let Some(calls) = table.calling.get_mut(&self.address) {
            *calls -= 1;
            if *calls == 0 {
                table.calling.remove(&self.address);
            }
        }
        drop(table);
        self.dials.0.ended.notify_waiters();
    }
}

impl Table {
    fn ask(&mut self, url: &PeerUrl, turn: Turn, source: Option<IpAddr>, now: Instant) -> Dial {
        let target = Target::of(url);
        if let Some(at) = self.resting(&target, turn, now) {
            return Dial::At(at);
        }
        if !self.has_room(now) {
            return Dial::At(now + TARGET_PAUSE);
        }
        let stranger = source.filter(|source| Scope::of_source(*source) != Scope::Machine);
        let taken = match stranger {
            Some(source) => self.sources.take(source_of(source), SOURCE, 1, now),
            None => Ok(()),
        };
        if let Err(wait) = taken.and_then(|()| self.all.take(ALL, 1, now)) {
            return Dial::At(now + wait);
        }
        self.targets.insert(target, now);
        Dial::Now
    }

    fn ask_address(&mut self, address: SocketAddr, turn: Turn, now: Instant) -> Dial {
        let ip = address.ip().to_canonical();
        let mut targets = vec![Target::Address(SocketAddr::new(ip, address.port()))];
        if Scope::of_address(ip) == Scope::World {
            targets.push(Target::Machine(ip));
        }
        let resting = targets
            .iter()
            .filter_map(|target| self.resting(target, turn, now));
        let address = SocketAddr::new(ip, address.port());
        let heard = self.heard.get(&address).map(|at| *at + turn.pause());
        let heard = heard.filter(|until| *until > now);
        if let Some(at) = resting.chain(heard).max() {
            return Dial::At(at);
        }
        if !self.has_room(now) {
            return Dial::At(now + TARGET_PAUSE);
        }
        let called = targets.into_iter().map(|target| (target, now));
        self.targets.extend(called);
        Dial::Now
    }

    /// Decides about a referral to an address.
    fn follow(&mut self, address: SocketAddr, now: Instant) -> Referral {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let answered = self.answered.get(&address);
        if answered.is_some_and(|at| *at + ANSWERED_FOR > now) {
            return Referral::Known;
        }
        if self.calling.contains_key(&address) {
            return Referral::Wait;
        }
        self.heard.retain(|_, called| *called + TARGET_PAUSE > now);
        let is_resting = self.heard.contains_key(&address)
            || self
                .resting(&Target::Address(address), Turn::First, now)
                .is_some();
        let is_crowded = Scope::of_address(address.ip()) == Scope::World && {
            let ports = self.heard.keys().filter(|at| at.ip() == address.ip());
            ports.count() >= PORTS_MAX
        };
        if is_resting || is_crowded || self.heard.len() >= HEARD_MAX {
            return Referral::Resting;
        }
        self.heard.insert(address, now);
        Referral::First
    }

    fn answered(&mut self, address: SocketAddr, now: Instant) {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        self.heard.remove(&address);
        if self.answered.len() >= ANSWERED_MAX && !self.answered.contains_key(&address) {
            let oldest = self.answered.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(oldest, _)| *oldest) {
                self.answered.remove(&oldest);
            }
        }
        self.answered.insert(address, now);
    }

    /// Returns the time until which a target is left alone.
    fn resting(&self, target: &Target, turn: Turn, now: Instant) -> Option<Instant> {
        let until = *self.targets.get(target)? + turn.pause();
        (until > now).then_some(until)
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.targets.len() >= TARGETS_MAX {
            self.targets
                .retain(|_, called| *called + TARGET_PAUSE > now);
        }
        self.targets.len() < TARGETS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PeerUrl {
        PeerUrl::parse(text).unwrap()
    }

    fn from(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([203, 0, 113, last]))
    }

    #[test]
    fn a_target_is_called_once_a_minute_by_any_name() {
        let now = Instant::now();
        let dials = Dials::default();
        let victim = url("http://198.51.100.1:80/");
        assert_eq!(dials.ask(&victim, Turn::First, from(1), now), Dial::Now);
        for text in [
            "http://198.51.100.1/",
            "http://198.51.100.1:80/a",
            "http://0xc6336401/b",
            "http://3325256705/codes",
        ] {
            let asked = dials.ask(&url(text), Turn::First, from(2), now + TARGET_PAUSE / 2);
            assert_eq!(asked, Dial::At(now + TARGET_PAUSE), "{text}");
        }
        assert_eq!(
            dials.ask(&victim, Turn::First, from(1), now + TARGET_PAUSE),
            Dial::Now
        );
    }

    #[test]
    fn a_target_that_did_not_answer_is_called_again_sooner() {
        let now = Instant::now();
        let dials = Dials::default();
        let (victim, address) = (
            url("http://198.51.100.1:80/"),
            ([198, 51, 100, 1], 80).into(),
        );
        assert_eq!(dials.ask(&victim, Turn::First, from(1), now), Dial::Now);
        assert_eq!(dials.ask_address(address, Turn::First, now), Dial::Now);
        let again = now + AGAIN_PAUSE;
        assert_eq!(
            dials.ask(&victim, Turn::Again, from(1), now),
            Dial::At(again)
        );
        assert_eq!(dials.ask(&victim, Turn::Again, from(1), again), Dial::Now);
        assert_eq!(dials.ask_address(address, Turn::Again, again), Dial::Now);
        // It counts like any other call.
        let rested = again + TARGET_PAUSE;
        assert_eq!(
            dials.ask(&victim, Turn::First, from(1), again),
            Dial::At(rested)
        );
    }

    #[test]
    fn many_names_of_one_address_make_one_call() {
        let now = Instant::now();
        let dials = Dials::default();
        let address = SocketAddr::from(([198, 51, 100, 1], 80));
        let mapped = SocketAddr::new("::ffff:198.51.100.1".parse().unwrap(), 80);
        assert_eq!(dials.ask_address(address, Turn::First, now), Dial::Now);
        assert_eq!(
            dials.ask_address(mapped, Turn::First, now),
            Dial::At(now + TARGET_PAUSE)
        );
        let other_port = SocketAddr::from(([198, 51, 100, 1], 81));
        assert_eq!(
            dials.ask_address(other_port, Turn::First, now),
            Dial::At(now + TARGET_PAUSE),
            "the ports of a machine of the Internet are not looked through"
        );
    }

    #[test]
    fn nodes_on_one_machine_of_ours_are_told_apart_by_their_ports() {
        let now = Instant::now();
        let dials = Dials::default();
        for port in 1..100 {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            assert_eq!(dials.ask_address(address, Turn::First, now), Dial::Now);
        }
    }

    #[test]
    fn one_stranger_causes_few_calls_and_leaves_others_theirs() {
        let now = Instant::now();
        let dials = Dials::default();
        let name = |n: usize| url(&format!("http://h{n}.example/"));
        let caused =
            (0..10_000).filter(|n| dials.ask(&name(*n), Turn::First, from(1), now) == Dial::Now);
        assert_eq!(caused.count(), SOURCE.burst as usize);
        assert_eq!(
            dials.ask(&name(10_001), Turn::First, from(2), now),
            Dial::Now
        );
        let later = now + SOURCE.refill;
        let caused = (20_000..20_100)
            .filter(|n| dials.ask(&name(*n), Turn::First, from(1), later) == Dial::Now);
        assert_eq!(caused.count(), 1);
    }

    #[test]
    fn all_strangers_together_cause_a_bounded_number_of_calls() {
        let now = Instant::now();
        let dials = Dials::default();
        let caused = (0..20_000_u32).filter(|n| {
            let source = IpAddr::from((0x0900_0000 + n * 256).to_be_bytes());
            dials.ask(
                &url(&format!("http://h{n}.example/")),
                Turn::First,
                Some(source),
                now,
            ) == Dial::Now
        });
        assert_eq!(caused.count(), ALL.burst as usize);
        assert!(lock(&dials.0.table).targets.len() <= TARGETS_MAX);
    }

    fn table() -> (Table, Instant) {
        (Table::default(), Instant::now())
    }

    #[test]
    fn a_referral_to_who_has_not_answered_is_followed_once_a_minute() {
        let (mut table, now) = table();
        let victim = SocketAddr::from(([198, 51, 100, 1], 80));
        let mapped = SocketAddr::new("::ffff:198.51.100.1".parse().unwrap(), 80);
        assert_eq!(table.follow(victim, now), Referral::First);
        for at in [victim, mapped] {
            assert_eq!(table.follow(at, now + TARGET_PAUSE / 2), Referral::Resting);
        }
        let hello = table.ask_address(victim, Turn::First, now);
        assert_eq!(hello, Dial::At(now + TARGET_PAUSE), "whatever the reason");
        assert_eq!(table.follow(victim, now + TARGET_PAUSE), Referral::First);
    }

    #[test]
    fn a_referral_after_a_hello_waits_for_the_next_minute() {
        let (mut table, now) = table();
        let victim = SocketAddr::from(([198, 51, 100, 1], 80));
        assert_eq!(table.ask_address(victim, Turn::First, now), Dial::Now);
        assert_eq!(table.follow(victim, now), Referral::Resting);
        assert_eq!(table.follow(victim, now + TARGET_PAUSE), Referral::First);
    }

    #[test]
    fn an_address_that_answered_is_called_freely() {
        let (mut table, now) = table();
        let node = SocketAddr::from(([198, 51, 100, 1], 4242));
        assert_eq!(table.follow(node, now), Referral::First);
        table.answered(node, now);
        for _ in 0..100 {
            assert_eq!(table.follow(node, now), Referral::Known);
        }
        assert_eq!(table.ask_address(node, Turn::First, now), Dial::Now);
        assert_eq!(table.follow(node, now + ANSWERED_FOR), Referral::First);
    }

    #[test]
    fn referrals_do_not_scan_the_ports_of_an_internet_host() {
        let (mut table, now) = table();
        let ports = |table: &mut Table, ip: [u8; 4]| {
            let ports = (1..=100).map(|port| table.follow((ip, port).into(), now));
            ports
                .filter(|followed| *followed == Referral::First)
                .count()
        };
        assert_eq!(ports(&mut table, [198, 51, 100, 1]), PORTS_MAX);
        assert_eq!(ports(&mut table, [198, 51, 100, 2]), PORTS_MAX);
        assert_eq!(ports(&mut table, [127, 0, 0, 1]), 100);
    }

    #[test]
    fn a_flood_of_referrals_is_bounded_and_leaves_hello_calls() {
        let (mut table, now) = table();
        let address = |n: u32| SocketAddr::from(((0x0900_0000 + n).to_be_bytes(), 80));
        let followed = (0..50_000).filter(|n| table.follow(address(*n), now) == Referral::First);
        assert_eq!(followed.count(), HEARD_MAX);
        for n in 0..2 * u32::try_from(ANSWERED_MAX).unwrap() {
            table.answered(address(n), now + Duration::from_millis(n.into()));
        }
        assert!(table.heard.len() <= HEARD_MAX && table.answered.len() <= ANSWERED_MAX);
        let url = url("http://203.0.113.77/");
        assert_eq!(table.ask(&url, Turn::First, from(1), now), Dial::Now);
        let at = SocketAddr::from(([203, 0, 113, 77], 80));
        assert_eq!(table.ask_address(at, Turn::First, now), Dial::Now);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_referral_waits_for_the_call_that_runs() {
        let scope = crate::CallScope::default();
        let node = crate::Destination::of_owner(url("http://198.51.100.1/"));
        let node = scope
            .check(&node, &[([198, 51, 100, 1], 80).into()])
            .unwrap()[0];
        let dials = Dials::default();
        let first = dials.follow(node).await.unwrap();
        assert!(first.is_some());
        let second = tokio::spawn({
            let dials = dials.clone();
            async move { dials.follow(node).await.map(|calling| calling.is_some()) }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        dials.answered(node);
        drop(first);
        assert_eq!(second.await.unwrap().ok(), Some(false));
    }
}
