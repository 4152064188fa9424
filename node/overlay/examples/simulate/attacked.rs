//! The rows with attackers: 0.5 % of the nodes lie, and ask as fast as they can.
//!
//! # What counts as traffic
//! The calls that honest nodes make: for their searches, and for others. A node that is
//! asked with `sixhop.find` asks nobody else, so a call of an attacker is one call; in a
//! network that forwards it is as many as there are links, and forwarded messages are
//! what the published factor of ten counts. With `query` each call of an attacker is
//! forwarded, too, as far as its budget lets it. The calls of attackers themselves are
//! listed beside it.

use crate::{
    directory::Directory,
    drive,
    flood::{self, Ask, HEARD_MAX, Ids, Toll},
    graph::Graph,
    random::Random,
    scenarios::{Row, Runs, SEARCHES, normal, row},
    world::{Errors, World},
};

const NETWORK: &str = "20,000 nodes, 6 peers each";
const NODES: usize = 20_000;
const DEGREE: usize = 6;

/// Searches of an honest node a minute, as in the published attack.
const HONEST: f64 = 0.3;

/// The rate and the targets of each attacker's calls.
#[derive(Clone, Copy, Debug)]
enum Attack {
    /// It is not there.
    Absent,
    /// It only lies.
    Silent,
    /// All nodes in turn, so many calls a second.
    Everybody(f64),
    /// So few nodes that each gets ten times what it can answer.
    Few(f64),
    /// All peers of the node that searches.
    Peers(f64),
    /// All nodes in turn, with `query` for a file that nobody has.
    Queries(f64),
}

const TARGET: &str =
    "at most 1.5 times the calls, at least 95 % found (published: 10 times, 10 % found)";

/// The published rate, 20,000 calls a minute; and that of a line of 100 Mbit/s.
const PUBLISHED: f64 = 20_000.0 / 60.0;
const LINE: f64 = 20_000.0;

/// Returns the rows.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (copies, what) in [(200, "1 % have it"), (20, "0.1 % have it, and a directory")] {
        let without = runs(copies, Attack::Absent).0;
        rows.push(row(NETWORK, what, "to compare with", without.text()));
        for (attack, how) in [
            (Attack::Silent, "ask nobody"),
            (
                Attack::Everybody(PUBLISHED),
                "each ask everybody in turn, 20,000 times a minute",
            ),
            (
                Attack::Everybody(LINE),
                "each ask everybody in turn, 20,000 times a second",
            ),
            (
                Attack::Few(LINE),
                "each ask 20,000 times a second, all the same few, who cannot answer more than one call in ten",
            ),
            (
                Attack::Peers(LINE),
                "each ask 20,000 times a second, all of them the peers of whoever searches",
            ),
            (
                Attack::Queries(PUBLISHED),
                "each send everybody in turn `query` for what nobody has, 20,000 times a minute",
            ),
            (
                Attack::Queries(LINE),
                "each send everybody in turn `query` for what nobody has, 20,000 times a second",
            ),
        ] {
            let (runs, toll) = runs(copies, attack);
            let forwarded = toll.map_or(0.0, |toll| toll.forwarded) * NODES as f64;
            let searches = NODES as f64 * HONEST / 60.0;
            let before = searches * without.mean();
            let ratio = (searches * runs.mean() + forwarded) / before;
            let toll = toll.map_or_else(String::new, Toll::text);
            let digits = if ratio < 10.0 { 2 } else { 0 };
            let measured = format!("{ratio:.digits$} times; {}{toll}", runs.text());
            let what = format!("the same; 0.5 % lie, have nothing, and {how}");
            rows.push(row(NETWORK, &what, TARGET, measured));
        }
    }
    rows.push(quota());
    rows
}

impl Toll {
    /// Describes the calls that attackers make of each node that they ask, a second.
    fn text(self) -> String {
        let heard = self.answered + self.refused;
        let mut text = format!(
            "; of {:.1} calls of theirs a second each of those hears {heard:.1}, answers {:.1}, refuses {:.1}",
            self.sent, self.answered, self.refused,
        );
        if self.forwarded > 0.0 {
            text.push_str(&format!(", and makes {:.0} calls for them", self.forwarded));
        }
        text
    }
}

/// Returns the row of one attacker at one node that hears all of it, at its best rate.
fn quota() -> Row {
    let answered = [Ids::None, Ids::One, Ids::Fresh].map(|ids| {
        let rates = [20.0, 50.0, 400.0, 800.0, 2_000.0, LINE];
        let tolls = rates.map(|calls| flood::toll_with(Ask::Find, ids, 1, calls).answered);
        tolls.into_iter().fold(0.0, f64::max)
    });
    let [none, one, fresh] = answered;
    let measured = format!(
        "{none:.0} without an id, {one:.0} with one, {fresh:.0} with a fresh one after each refusal"
    );
    row(
        "one node, one attacker",
        "answered a second, in a minute, of up to 20,000 calls a second",
        "no more with fresh ids than two nodes may have",
        measured,
    )
}

fn runs(copies: usize, attack: Attack) -> (Runs, Option<Toll>) {
    let mut random = Random::new(8);
    let graph = Graph::regular(NODES, DEGREE, &mut random);
    let mut world = World::new(graph, Errors::OURS);
    let part = if matches!(attack, Attack::Absent) {
        0.0
    } else {
        0.005
    };
    world.turn(part, &mut random);
    let attackers = world.liars().count();
    let directory = Directory::new(NODES, &mut random);
    let directory = (copies < 100).then_some(&directory);
    let toll = begin(attack, attackers, &mut world, &mut random);
    let is_around = matches!(attack, Attack::Peers(_));
    let unheard = toll.map_or(0.0, |toll| toll.unheard);
    let mut runs = Runs::default();
    for _ in 0..SEARCHES {
        let file = random.next();
        world.put(file, copies, &mut random);
        let mut asker = world.somebody(&mut random);
        while world.has(asker, file) {
            asker = world.somebody(&mut random);
        }
        if is_around {
            world.drown_peers(asker, unheard);
        }
        runs.add(drive::search(&world, directory, asker, file, normal()));
        if is_around {
            world.drown_peers(asker, 0.0);
        }
    }
    (runs, toll)
}

/// Starts the attack: drowns the nodes that it floods. Returns what it costs one of them.
fn begin(attack: Attack, attackers: usize, world: &mut World, random: &mut Random) -> Option<Toll> {
    let all = |rate| attackers as f64 * rate;
    match attack {
        Attack::Absent | Attack::Silent => None,
        Attack::Everybody(rate) => {
            let toll = flood::toll(attackers, all(rate) / NODES as f64);
            world.drown(0..NODES, toll.unheard);
            Some(toll)
        }
        Attack::Few(rate) => {
            let each = 10.0 * HEARD_MAX as f64;
            let toll = flood::toll(attackers, each);
            let few = (all(rate) / each) as usize;
            let first = random.below(NODES - few);
            world.drown(first..first + few, toll.unheard);
            Some(toll)
        }
        Attack::Queries(rate) => {
            let toll = flood::queries(attackers, all(rate) / NODES as f64);
            world.drown(0..NODES, toll.unheard);
            Some(toll)
        }
        Attack::Peers(rate) => Some(flood::toll(attackers, all(rate) / DEGREE as f64)),
    }
}
