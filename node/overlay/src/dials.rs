//! Calls that strangers cause: who may make this node call whom, how often.
//!
//! A `hello` names a URL, and whoever named it chose whom this node calls. So
//! each such call passes here first: at most one a minute to a target, few for
//! each stranger, few in all.
//!
//! # Invariants
//! - A target is called for the first time at most once in [`TARGET_PAUSE`], whoever
//!   names it, by whatever name: the host and port of the URL count, and so does the
//!   address that the call goes to. One that did not answer is called again a few times
//!   only, not sooner than [`AGAIN_PAUSE`] after any other call.
//! - The tables are bounded; when one is full, there is no call.
//! - No I/O and no clock; time is a parameter.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use node_wire::{peer_url::PeerUrl, scope::Scope};

use node_base::bucket::{Bucket, Buckets, Quota, source_of};

/// Shortest time between two calls to a target that strangers name.
pub(super) const TARGET_PAUSE: Duration = Duration::from_secs(60);

/// Shortest time before a target that did not answer is called again.
pub(super) const AGAIN_PAUSE: Duration = Duration::from_secs(2);

/// Most targets that are remembered. More than the calls in a pause.
const TARGETS_MAX: usize = 4_096;

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

/// Most strangers that are told apart.
const SOURCES_MAX: usize = 4_096;

/// The calls that strangers caused.
#[derive(Debug)]
pub(super) struct Dials {
    targets: HashMap<Target, Instant>,
    sources: Buckets<IpAddr>,
    all: Bucket,
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dial {
    /// It may, and counts as made.
    Now,
    /// Not before this time.
    At(Instant),
}

/// Which call to a candidate it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    /// The first one since it was named.
    First,
    /// A later one: it did not answer, and may be starting.
    Again,
}

impl Turn {
    /// How long a target rests before this call.
    fn pause(self) -> Duration {
        match self {
            Turn::First => TARGET_PAUSE,
            Turn::Again => AGAIN_PAUSE,
        }
    }
}

/// What is called.
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

impl Default for Dials {
    fn default() -> Dials {
        Dials {
            targets: HashMap::new(),
            sources: Buckets::new(SOURCES_MAX),
            all: Bucket::default(),
        }
    }
}

impl Dials {
    /// Asks for a call to `url`, which a stranger at `source` named. Strangers on
    /// this machine have no limit of their own.
    pub(super) fn ask(
        &mut self,
        url: &PeerUrl,
        turn: Turn,
        source: Option<IpAddr>,
        now: Instant,
    ) -> Dial {
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

    /// Asks for a call to an address, to which a URL that passed [`Dials::ask`]
    /// resolves.
    pub(super) fn ask_address(&mut self, address: SocketAddr, turn: Turn, now: Instant) -> Dial {
        let ip = address.ip().to_canonical();
        let mut targets = vec![Target::Address(SocketAddr::new(ip, address.port()))];
        if Scope::of_address(ip) == Scope::World {
            targets.push(Target::Machine(ip));
        }
        let resting = targets
            .iter()
            .filter_map(|target| self.resting(target, turn, now));
        if let Some(at) = resting.max() {
            return Dial::At(at);
        }
        if !self.has_room(now) {
            return Dial::At(now + TARGET_PAUSE);
        }
        let called = targets.into_iter().map(|target| (target, now));
        self.targets.extend(called);
        Dial::Now
    }

    /// Until when a target is left alone.
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
    fn a_target_is_called_once_a_minute_whoever_names_it_and_however() {
        let now = Instant::now();
        let mut dials = Dials::default();
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
        let mut dials = Dials::default();
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
        let mut dials = Dials::default();
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
        let mut dials = Dials::default();
        for port in 1..100 {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            assert_eq!(dials.ask_address(address, Turn::First, now), Dial::Now);
        }
    }

    #[test]
    fn one_stranger_causes_few_calls_and_does_not_use_up_those_of_others() {
        let now = Instant::now();
        let mut dials = Dials::default();
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
        let mut dials = Dials::default();
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
        assert!(dials.targets.len() <= TARGETS_MAX);
    }
}
