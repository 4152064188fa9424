//! The local network: saying that this node is here, and hearing of others.
//!
//! # Participants
//! [`Lan`] registers the service [`SERVICE`] and listens for others of it;
//! [`answer`] judges an answer, [`Heard`] keeps the nodes that are there.
//!
//! # What is said
//! The addresses of this machine in the networks within scope, the port, and
//! two texts: `v`, the version of the protocol, and `path`, where the node is
//! spoken to. The name is made of new random digits at each start.
//!
//! # Invariants
//! - Only the interfaces within scope are used; nothing is sent over others.
//! - A node at an address outside these networks is not heard of.
//! - At the end the service is withdrawn, and the thread below is awaited.
//!
//! A limit on the memory of the library below is absent. It keeps every
//! record of this service that comes, until its time is over.

mod answer;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use ipnet::IpNet;
use mdns_sd::{IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use node_wire::peer_url::PeerUrl;
use tokio::{
    select,
    time::{sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use self::answer::Answer;
use crate::{
    Candidates, Meet,
    networks::{self, LanScope},
};
use node_base::clock::now;

/// The service by which nodes know each other.
pub const SERVICE: &str = "_sixhop._tcp.local.";

/// The port on which the local network answers.
pub const PORT: u16 = mdns_sd::MDNS_PORT;

/// Most nodes that are remembered.
pub const HEARD_MAX: usize = 128;

/// The interval at which nodes that are there are offered again: one that could not be
/// reached may be by now.
const OFFER_AGAIN: Duration = Duration::from_secs(60);

/// The time for which the networks of the machine are believed to be the same.
const NETWORKS_FRESH: Duration = Duration::from_secs(10);

/// Longest time for each of two steps at the end: withdrawing, and stopping.
const FAREWELL: Duration = Duration::from_secs(1);

/// The announcement of this node, and the networks for it.
#[derive(Clone, Debug)]
pub struct LanOptions {
    /// The networks in which the node is met.
    pub scope: LanScope,
    /// The port on which it listens.
    pub port: u16,
    /// The path at which it is spoken to.
    pub path: String,
    /// The port of the mDNS: [`PORT`], or another one in tests.
    pub mdns_port: u16,
}

/// The reason why the local network cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum LanError {
    /// The library below says no.
    #[error("the local network cannot be asked by mDNS: {0}")]
    Mdns(#[from] mdns_sd::Error),
    /// There is no randomness for a name.
    #[error("there is no randomness for a name in the local network: {0}")]
    Random(getrandom::Error),
}

/// The presence of a node in the local network.
pub struct Lan {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    /// Our own name, which is heard like all others.
    ourselves: String,
    scope: LanScope,
    networks: Vec<IpNet>,
    networks_at: Instant,
    heard: Heard,
    candidates: Candidates,
    meet: Meet,
}

impl std::fmt::Debug for Lan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lan")
            .field("ourselves", &self.ourselves)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// The nodes that are there, by their names.
#[derive(Debug, Default)]
struct Heard(BTreeMap<String, PeerUrl>);

impl Lan {
    /// Says that the node is here, and begins to listen.
    ///
    /// # Errors
    /// Errors if there is no socket or thread for it.
    pub fn start(options: &LanOptions, meet: Meet) -> Result<Lan, LanError> {
        let daemon = ServiceDaemon::new_with_port(options.mdns_port)?;
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(interfaces(options.scope))?;
        let service = service(options)?;
        let ourselves = service.get_fullname().to_owned();
        let events = daemon.browse(SERVICE)?;
        daemon.register(service)?;
        Ok(Lan {
            daemon,
            events,
            ourselves,
            scope: options.scope,
            networks: networks::within(options.scope),
            networks_at: now(),
            heard: Heard::default(),
            candidates: Candidates::default(),
            meet,
        })
    }

    /// Listens until it is cancelled; then withdraws the service and ends the
    /// thread below.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut again_at = now() + OFFER_AGAIN;
        loop {
            let due = self.candidates.next_at(now()).unwrap_or(again_at);
            select! {
                () = cancel.cancelled() => break,
                event = self.events.recv_async() => match event {
                    Ok(event) => self.take(event),
                    Err(_) => {
                        tracing::warn!("the local network is not listened to any more");
                        break;
                    }
                },
                () = sleep_until(due.min(again_at).into()) => {}
            }
            if now() >= again_at {
                again_at = now() + OFFER_AGAIN;
                self.heard.offer_all(&mut self.candidates, now());
            }
            while let Some(url) = self.candidates.next(now()) {
                (self.meet)(&url);
            }
        }
        self.leave().await;
    }

    fn take(&mut self, event: ServiceEvent) {
        match event {
            ServiceEvent::ServiceResolved(service) if service.fullname != self.ourselves => {
                let answer = Answer {
                    port: service.port,
                    version: service.get_property_val_str("v"),
                    path: service.get_property_val_str("path"),
                    addresses: service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr),
                };
                if now() >= self.networks_at + NETWORKS_FRESH {
                    (self.networks, self.networks_at) = (networks::within(self.scope), now());
                }
                match answer.url(&self.networks) {
                    Some(url) if self.heard.note(&service.fullname, &url) => {
                        tracing::debug!(url = url.as_str(), "a node in the local network");
                        self.candidates.offer(&url, now());
                    }
                    _ => tracing::debug!("an answer from the local network is of no use"),
                }
            }
            ServiceEvent::ServiceRemoved(_, name) => self.heard.forget(&name),
            _ => {}
        }
    }

    async fn leave(self) {
        if let Ok(left) = self.daemon.unregister(&self.ourselves) {
            // What is not withdrawn in time is forgotten by others later.
            drop(timeout(FAREWELL, left.recv_async()).await);
        }
        match self.daemon.shutdown() {
            Ok(stopped) => drop(timeout(FAREWELL, stopped.recv_async()).await),
            Err(error) => tracing::debug!(%error, "the mDNS thread had ended"),
        }
    }
}

impl Heard {
    /// Remembers a node, if there is room. Says whether it is remembered.
    fn note(&mut self, name: &str, url: &PeerUrl) -> bool {
        let fits = self.0.len() < HEARD_MAX || self.0.contains_key(name);
        if fits {
            self.0.insert(name.to_owned(), url.clone());
        }
        fits
    }

    fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    fn offer_all(&self, candidates: &mut Candidates, now: Instant) {
        for url in self.0.values() {
            candidates.offer(url, now);
        }
    }
}

fn interfaces(scope: LanScope) -> IfKind {
    match scope {
        LanScope::Address(address) => IfKind::Addr(address),
        LanScope::LocalNetworks => {
            IfKind::Predicate(IfPredicate::new(move |one| scope.covers(one.ip())))
        }
    }
}

fn service(options: &LanOptions) -> Result<ServiceInfo, LanError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(LanError::Random)?;
    let name = format!("sixhop-{:016x}", u64::from_ne_bytes(random));
    let (host, version) = (
        format!("{name}.local."),
        node_wire::methods::PROTOCOL_VERSION.to_string(),
    );
    let texts = [("v", version.as_str()), ("path", &options.path)];
    let addresses: Vec<IpAddr> = match options.scope {
        LanScope::Address(address) => vec![address],
        LanScope::LocalNetworks => Vec::new(),
    };
    let new = ServiceInfo::new(
        SERVICE,
        &name,
        &host,
        &addresses[..],
        options.port,
        &texts[..],
    );
    let mut service = new?;
    if options.scope == LanScope::LocalNetworks {
        service = service.enable_addr_auto();
    }
    service.set_interfaces(vec![interfaces(options.scope)]);
    Ok(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_of_names_is_remembered_up_to_the_limit() {
        let mut heard = Heard::default();
        let url = |n: usize| PeerUrl::parse(&format!("http://10.0.0.1:{}/", n + 1)).unwrap();
        for n in 0..1_000 {
            assert_eq!(heard.note(&format!("name {n}"), &url(n)), n < HEARD_MAX);
        }
        assert!(heard.note("name 0", &url(5_000)), "a known name may move");
        heard.forget("name 1");
        assert!(heard.note("name 2000", &url(1)));
        assert_eq!(heard.0.len(), HEARD_MAX);
    }
}
