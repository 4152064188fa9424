//! Tests of the gate with the decisions of a policy, and without one.

use std::net::SocketAddr;

use plugin_api::{FetchAsked, QueryAsked};

use super::*;
use crate::{groups::Groups, server::front::Remote};

type Decide<T> = Box<dyn Fn(&T) -> Result<bool, PolicyError> + Send + Sync>;
type Worth = Box<dyn Fn(&RankAsked) -> Result<Option<f64>, PolicyError> + Send + Sync>;

/// A policy in Rust.
#[derive(Default)]
struct Decisions {
    query: Option<Decide<QueryAsked>>,
    fetch: Option<Decide<FetchAsked>>,
    rank: Option<Worth>,
}

impl Decisions {
    fn of_fetch(decide: impl Fn(&FetchAsked) -> bool + Send + Sync + 'static) -> Decisions {
        Decisions {
            fetch: Some(Box::new(move |asked| Ok(decide(asked)))),
            ..Decisions::default()
        }
    }

    fn of_query(decide: impl Fn(&QueryAsked) -> bool + Send + Sync + 'static) -> Decisions {
        Decisions {
            query: Some(Box::new(move |asked| Ok(decide(asked)))),
            ..Decisions::default()
        }
    }

    fn broken() -> Decisions {
        Decisions {
            fetch: Some(Box::new(|_| Err(failure(Rule::AllowFetch)))),
            ..Decisions::default()
        }
    }
}

fn failure(rule: Rule) -> PolicyError {
    PolicyError {
        rule,
        problem: "it took too long".to_owned(),
    }
}

impl Policy for Decisions {
    fn has(&self, rule: Rule) -> bool {
        match rule {
            Rule::AllowQuery => self.query.is_some(),
            Rule::AllowFetch => self.fetch.is_some(),
            Rule::Rank => self.rank.is_some(),
        }
    }

    fn reads(&self) -> plugin_api::Reads {
        plugin_api::Reads::default()
    }

    fn allows_query(&self, asked: &QueryAsked) -> Result<bool, PolicyError> {
        self.query.as_ref().map_or(Ok(true), |decide| decide(asked))
    }

    fn allows_fetch(&self, asked: &FetchAsked) -> Result<bool, PolicyError> {
        self.fetch.as_ref().map_or(Ok(true), |decide| decide(asked))
    }

    fn allows_hits(
        &self,
        hits: &mut dyn Iterator<Item = FetchAsked>,
        most: usize,
    ) -> plugin_api::HitsAllowed {
        let mut decided = plugin_api::HitsAllowed::default();
        for hit in hits {
            if decided.allowed.iter().filter(|allowed| **allowed).count() >= most {
                break;
            }
            let allowed = self.allows_fetch(&hit);
            decided.allowed.push(*allowed.as_ref().unwrap_or(&false));
            decided.failure = allowed.err().or(decided.failure);
        }
        decided
    }

    fn rank(&self, hits: &[RankAsked]) -> Result<Vec<Option<f64>>, PolicyError> {
        let worth = self.rank.as_ref().expect("the test has a rank");
        hits.iter().map(worth).collect()
    }
}

/// A source whose rules do not change.
struct Fixed(Rules);

impl PolicySource for Fixed {
    fn file(&self) -> &'static str {
        "fixed"
    }

    fn refresh(&self) -> Option<String> {
        None
    }

    fn rules(&self) -> Rules {
        self.0.clone()
    }

    fn state(&self) -> Option<PolicyState> {
        None
    }
}

/// Returns a gate with these rules, and its counters.
fn gate_of(rules: Rules) -> (PolicyGate, Arc<Counters>) {
    let counters: Arc<Counters> = Arc::default();
    let source: Arc<dyn PolicySource> = Arc::new(Fixed(rules));
    let gate = PolicyGate::new(
        Some(source),
        Groups::default(),
        Arc::clone(&counters),
        Arc::default(),
    );
    (gate, counters)
}

fn gate(policy: Decisions) -> PolicyGate {
    gate_of(Rules::Policy(Arc::new(policy))).0
}

fn asker(address: &str) -> Asker {
    Asker::at(Remote::plain(SocketAddr::new(address.parse().unwrap(), 1)))
}

fn wanted(name: &&'static str) -> FileAsked {
    FileAsked {
        name: (*name).to_owned(),
        size: Some(1),
    }
}

async fn may_have(gate: &PolicyGate, name: &'static str) -> bool {
    let names = vec![wanted(&name)];
    gate.fetch(&asker("192.0.2.7"), None, names).await.is_some()
}

fn is_in(from: std::net::IpAddr, network: &str) -> bool {
    from.to_string().starts_with(network)
}

#[tokio::test]
async fn without_a_policy_everything_is_allowed() {
    let nothing = PolicyGate::new(None, Groups::default(), Arc::default(), Arc::default());
    for gate in [&nothing, &gate_of(Rules::None).0] {
        assert!(may_have(gate, "a").await);
        assert!(gate.query(&asker("192.0.2.7"), "name", "a").await.is_some());
        assert!(!gate.guards_fetch());
        assert!(gate.rank(Vec::new()).await.is_none());
    }
}

#[tokio::test]
async fn a_policy_decides_who_may_have_what() {
    let fetch = Decisions::of_fetch(|asked| asked.name != "no");
    let query =
        Decisions::of_query(|asked| is_in(asked.from, "192.0.2.7") && asked.peer.is_empty());
    let gate = gate(Decisions {
        query: query.query,
        ..fetch
    });
    assert!(may_have(&gate, "yes").await && !may_have(&gate, "no").await);
    let mapped = asker("::ffff:192.0.2.7");
    assert!(gate.query(&mapped, "name", "a").await.is_some());
    let named = mapped.with_history(&["http://a/".to_owned(), "http://b/".to_owned()]);
    assert!(gate.query(&named, "name", "a").await.is_none());
    let permitted = gate
        .hits(&named, vec!["a", "no", "b", "c"], 2, wanted)
        .await;
    assert_eq!((permitted.hits, permitted.is_whole), (vec!["a", "b"], true));
}

#[tokio::test]
async fn content_is_given_if_one_of_its_names_may_be() {
    let gate = gate(Decisions::of_fetch(|asked| {
        asked.name == "b" && asked.digest == "d"
    }));
    let names = |names: &[&'static str]| names.iter().map(wanted).collect::<Vec<_>>();
    let ask = async |list: &[&'static str]| {
        let digest = Some("d".to_owned());
        gate.fetch(&asker("192.0.2.7"), digest, names(list)).await
    };
    assert!(ask(&["a", "b"]).await.is_some());
    assert!(ask(&["a"]).await.is_none());
    assert!(
        ask(&[]).await.is_none(),
        "content without a name has none that may be given"
    );
}

async fn is_public(rules: Rules, names: &[&'static str]) -> bool {
    let names = names.iter().map(wanted).collect();
    let digest = Digest::from_bytes([7; 32]);
    gate_of(rules).0.is_public(&digest, names).await
}

fn of(policy: Decisions) -> Rules {
    Rules::Policy(Arc::new(policy))
}

#[tokio::test]
async fn what_a_stranger_may_not_have_in_every_way_is_not_public() {
    assert!(is_public(Rules::None, &["a"]).await);
    let hiding = of(Decisions::of_fetch(|asked| asked.name != "no"));
    assert!(is_public(hiding.clone(), &["yes"]).await);
    assert!(is_public(hiding.clone(), &["no", "yes"]).await);
    assert!(!is_public(hiding.clone(), &["no"]).await && !is_public(hiding, &[]).await);
    for (n, refusing) in [
        of(Decisions::of_query(|asked| asked.handler != "digest")),
        of(Decisions::of_fetch(|asked| asked.what != What::Hit)),
        of(Decisions::of_fetch(|asked| asked.what != What::Content)),
        of(Decisions::of_fetch(|asked| asked.digest.is_empty())),
        of(Decisions::of_fetch(|asked| is_in(asked.from, "192.0.2."))),
        of(Decisions::of_fetch(|asked| asked.from.is_loopback())),
        of(Decisions::of_fetch(|asked| !asked.peer.is_empty())),
        of(Decisions::broken()),
        Rules::Closed,
    ]
    .into_iter()
    .enumerate()
    {
        assert!(!is_public(refusing, &["a"]).await, "{n}");
    }
    let blocking = of(Decisions::of_fetch(|asked| !is_in(asked.from, "10.")));
    assert!(is_public(blocking, &["a"]).await);
}

#[tokio::test]
async fn to_ask_what_is_public_refuses_nobody() {
    let (gate, counters) = gate_of(of(Decisions::of_fetch(|_| false)));
    let names = vec![wanted(&"a")];
    assert!(!gate.is_public(&Digest::from_bytes([7; 32]), names).await);
    assert_eq!(counters.policy_refusals.get(), 0);
    assert!(!may_have(&gate, "a").await);
    assert_eq!(counters.policy_refusals.get(), 1);
}

#[tokio::test]
async fn no_decision_is_no() {
    for rules in [Rules::Closed, of(Decisions::broken())] {
        let (gate, counters) = gate_of(rules);
        assert!(gate.guards_fetch());
        assert!(!may_have(&gate, "a").await);
        assert_eq!(counters.policy_failures.get(), 1);
        let permitted = gate.hits(&asker("192.0.2.7"), vec!["a"], 9, wanted).await;
        assert_eq!(permitted.hits, Vec::<&str>::new());
        assert_eq!(counters.policy_failures.get(), 2);
    }
}

#[tokio::test]
async fn without_a_turn_in_time_it_is_no() {
    let gate = gate(Decisions::of_fetch(|_| true));
    let taken = gate.turns.take("192.0.2.1".parse().unwrap()).await;
    let other = gate.turns.take("192.0.2.1".parse().unwrap()).await;
    assert!(!may_have(&gate, "a").await);
    drop((taken, other));
    assert!(may_have(&gate, "a").await);
}

#[tokio::test]
#[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
async fn a_rank_that_fails_changes_nothing() {
    let hits = || {
        vec![RankAsked {
            size: Some(3),
            ..RankAsked::default()
        }]
    };
    let ranking = gate(Decisions {
        rank: Some(Box::new(|hit| Ok(hit.size.map(|size| size as f64)))),
        ..Decisions::default()
    });
    assert_eq!(ranking.rank(hits()).await, Some(vec![Some(3.0)]));
    assert!(!ranking.guards_fetch());
    let (failing, counters) = gate_of(of(Decisions {
        rank: Some(Box::new(|_| Err(failure(Rule::Rank)))),
        ..Decisions::default()
    }));
    assert_eq!(failing.rank(hits()).await, None);
    assert_eq!(counters.policy_failures.get(), 1);
}
