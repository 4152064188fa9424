//! The rows of the table: networks, searches in them, and the expected costs.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use node_api::search::SearchReach;
use node_overlay::{SUMMARIES_MAX, planner::Limits};

use crate::{
    attacked,
    directory::Directory,
    drive::{self, Outcome},
    graph::Graph,
    random::Random,
    world::{Errors, World},
};

/// Searches of each row.
pub(crate) const SEARCHES: usize = 1_000;

/// Peers of each node of the large networks.
const DEGREE: usize = 16;

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) network: String,
    pub(crate) what: String,
    pub(crate) target: String,
    pub(crate) measured: String,
}

/// All rows, in their order.
pub(crate) const ALL: &[fn() -> Vec<Row>] = &[
    published,
    mesh,
    replicated,
    harmed,
    crowded,
    single,
    missing,
    caching,
    attacked::rows,
];

pub(crate) fn row(network: &str, what: &str, target: &str, measured: String) -> Row {
    Row {
        network: network.to_owned(),
        what: what.to_owned(),
        target: target.to_owned(),
        measured,
    }
}

pub(crate) fn normal() -> Limits {
    Limits::of(SearchReach::Normal, 1)
}

/// Returns the random graph of Lv, Cao, Cohen, Li and Shenker.
fn published() -> Vec<Row> {
    let mut random = Random::new(1);
    let graph = Graph::random(10_000, 20_100, &mut random);
    let network = format!("Lv et al., {} nodes, {} links", graph.len(), graph.links());
    let copies = graph.len() / 100;
    let mut world = World::new(graph, Errors::OURS);
    let runs = runs(&mut world, None, copies, normal(), &mut random);
    let target = "at most 12 calls, all found (published: flood 24,680, ring 610, 32 walkers 236)";
    vec![row(&network, "1 % have it", target, runs.text())]
}

/// Simulates ten nodes that all know each other.
fn mesh() -> Vec<Row> {
    let mut random = Random::new(2);
    let mut world = World::new(
        Graph::mesh(10),
        Errors {
            own: 0.0,
            near: 0.0,
        },
    );
    let network = "full mesh of ten";
    let mut rows = Vec::new();
    for (what, copies, reach, target) in [
        ("a hit", 1, SearchReach::Normal, "1 call"),
        ("a miss", 0, SearchReach::Normal, "no call"),
        ("a miss, to be sure", 0, SearchReach::Sure, "9 calls"),
    ] {
        let runs = runs(&mut world, None, copies, Limits::of(reach, 1), &mut random);
        rows.push(row(network, what, target, runs.text()));
    }
    rows
}

fn large(nodes: usize, errors: Errors, random: &mut Random) -> World {
    World::new(Graph::regular(nodes, DEGREE, random), errors)
}

fn name(nodes: usize) -> String {
    format!("{},000 nodes, {DEGREE} peers each", nodes / 1_000)
}

fn replicated() -> Vec<Row> {
    let mut rows = Vec::new();
    for (nodes, walkers) in [(10_000, "1,370"), (100_000, "592")] {
        let mut random = Random::new(3);
        let mut world = large(nodes, Errors::OURS, &mut random);
        let runs = runs(&mut world, None, nodes / 1_000, normal(), &mut random);
        let target = format!(
            "mean at most 20, 99 of 100 within 64, all found, half of them within 0.5 s (32 walkers: {walkers})"
        );
        rows.push(row(&name(nodes), "0.1 % have it", &target, runs.text()));
    }
    let mut random = Random::new(3);
    let mut world = large(10_000, Errors::HUNDREDTH, &mut random);
    let runs = runs(&mut world, None, 10, normal(), &mut random);
    let what = "0.1 % have it, 1 % false positives";
    rows.push(row(&name(10_000), what, "as above", runs.text()));
    rows
}

/// The faults of a network, and the budget of a search in it.
struct Harm {
    errors: Errors,
    gone: f64,
    budget: u32,
    what: &'static str,
    /// None where the target is that of chance.
    target: Option<&'static str>,
}

const HARMS: [Harm; 6] = [
    Harm {
        errors: Errors::TWENTIETH,
        gone: 0.2,
        budget: 64,
        what: "0.1 % have it; 20 % dead, 5 % false positives",
        target: Some("mean at most 40, all found"),
    },
    Harm {
        errors: Errors::TWENTIETH,
        gone: 0.2,
        budget: 128,
        what: "the same with twice the budget",
        target: Some("all found"),
    },
    Harm {
        errors: Errors::TWENTIETH_EACH,
        gone: 0.2,
        budget: 64,
        what: "the same, 5 % in each filter that is passed on",
        target: None,
    },
    Harm {
        errors: Errors::TWENTIETH_EACH,
        gone: 0.2,
        budget: 128,
        what: "the same with twice the budget",
        target: None,
    },
    Harm {
        errors: Errors::TWENTIETH_EACH,
        gone: 0.2,
        budget: 256,
        what: "the same with four times the budget",
        target: None,
    },
    Harm {
        errors: Errors::OURS,
        gone: 0.5,
        budget: 64,
        what: "0.1 % have it; half of all dead at once",
        target: Some("all found"),
    },
];

/// Simulates a network in which many nodes are gone at once, and nobody has noticed.
fn harmed() -> Vec<Row> {
    let sizes = [10_000, 100_000];
    let rows = HARMS.iter().flat_map(|harm| sizes.map(|n| harm.row(n)));
    rows.collect()
}

impl Harm {
    fn row(&self, nodes: usize) -> Row {
        let mut random = Random::new(4);
        let mut world = large(nodes, self.errors, &mut random);
        world.kill(self.gone, &mut random);
        let (budget, holders) = (self.budget as usize, nodes / 1_000);
        let limits = Limits {
            budget,
            time: normal().time * (self.budget / 64),
            ..normal()
        };
        let runs = runs(&mut world, None, holders, limits, &mut random);
        let target = self.target.map_or_else(
            || {
                let found = 100.0 * by_chance(holders, nodes, self.errors.near, budget);
                format!("not asked for; {found:.1} % if all who seem to have it are alike")
            },
            str::to_owned,
        );
        row(&name(nodes), self.what, &target, runs.text())
    }
}

/// Returns the probability that one of `asked` nodes has the file, of those that seem to have it.
fn by_chance(holders: usize, nodes: usize, errors: f64, asked: usize) -> f64 {
    let wrong = (nodes - holders) as f64 * errors;
    let none = (0..asked).map(|n| (wrong - n as f64) / (wrong + holders as f64 - n as f64));
    1.0 - none.product::<f64>()
}

/// Simulates nodes that know more peers than summaries are kept of.
fn crowded() -> Vec<Row> {
    let degree = 300;
    let mut random = Random::new(11);
    let mut world = World::new(Graph::regular(10_000, degree, &mut random), Errors::OURS);
    world.poll();
    let network = format!("10,000 nodes, {degree} peers each, {SUMMARIES_MAX} of them polled");
    let mut rows = Vec::new();
    for (copies, what) in [(10, "0.1 % have it"), (1, "one copy")] {
        let runs = runs(&mut world, None, copies, normal(), &mut random);
        rows.push(row(&network, what, "all found", runs.text()));
    }
    rows
}

fn single() -> Vec<Row> {
    let mut rows = Vec::new();
    for nodes in [10_000, 100_000] {
        let mut random = Random::new(5);
        let mut world = large(nodes, Errors::OURS, &mut random);
        let directory = Directory::new(nodes, &mut random);
        let runs = runs(&mut world, Some(&directory), 1, normal(), &mut random);
        let target = "at least 99.5 % found, at most 64 calls and 10 messages";
        rows.push(row(
            &name(nodes),
            "one copy, and a directory",
            target,
            runs.text(),
        ));
    }
    rows
}

fn missing() -> Vec<Row> {
    let mut rows = Vec::new();
    for nodes in [10_000, 100_000] {
        let mut random = Random::new(6);
        let mut world = large(nodes, Errors::OURS, &mut random);
        let directory = Directory::new(nodes, &mut random);
        let runs = runs(&mut world, Some(&directory), 0, normal(), &mut random);
        let target = "at most 64 calls and 30 messages, 3 s";
        rows.push(row(&name(nodes), "nobody has it", target, runs.text()));
    }
    rows
}

/// Searchers keep what they find, 20 files at most: 5,000 files of two
/// copies each, 40,000 searches, Zipf 0.8.
fn caching() -> Vec<Row> {
    let (files, searches, kept) = (5_000, 40_000, 20);
    let mut random = Random::new(7);
    let mut world = large(10_000, Errors::OURS, &mut random);
    let directory = Directory::new(10_000, &mut random);
    let names: Vec<u64> = (0..files).map(|_| random.next()).collect();
    let mut own = HashMap::new();
    for file in &names {
        world.put(*file, 2, &mut random);
        for node in 0..10_000 {
            if world.has(node, *file) {
                own.insert((node, *file), ());
            }
        }
    }
    let chances = zipf(files, 0.8);
    let mut caches: HashMap<u32, VecDeque<u64>> = HashMap::new();
    let (mut first, mut last) = (Runs::default(), Runs::default());
    for n in 0..searches {
        let part = random.part();
        let file = names[chances
            .partition_point(|chance| *chance < part)
            .min(files - 1)];
        let asker = world.somebody(&mut random);
        if world.has(asker, file) {
            continue;
        }
        let outcome = drive::search(&world, Some(&directory), asker, file, normal());
        if n < searches / 5 {
            first.add(outcome);
        } else if n >= searches * 4 / 5 {
            last.add(outcome);
        }
        if outcome.found {
            world.keep(asker, file);
            let cache = caches.entry(asker).or_default();
            cache.push_back(file);
            if cache.len() > kept
                && let Some(oldest) = cache.pop_front()
                && !own.contains_key(&(asker, oldest))
            {
                world.drop_copy(asker, oldest);
            }
        }
    }
    let what = "Zipf 0.8, two copies, 20 files kept by who fetched them; last fifth of 40,000";
    let measured = format!("{}; first fifth: {}", last.text(), first.text());
    let target = "mean at most 25 (without keeping: 305)";
    vec![row(&name(10_000), what, target, measured)]
}

/// Returns where in the order of files each begins, of parts that fall with their number.
fn zipf(files: usize, exponent: f64) -> Vec<f64> {
    let weight = |n: usize| (n as f64 + 1.0).powf(-exponent);
    let all: f64 = (0..files).map(weight).sum();
    (0..files)
        .scan(0.0, |sum, n| {
            *sum += weight(n) / all;
            Some(*sum)
        })
        .collect()
}

/// Returns calls against size: for each size the mean of a hit of 0.1 % (at least one
/// copy), of one copy with the directory, and of a miss.
pub(crate) fn by_size() -> Vec<(usize, [f64; 3])> {
    let sizes = [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000];
    let at = sizes.map(|nodes| {
        let mut random = Random::new(9);
        // As long as everybody can know everybody they do.
        let graph = if nodes <= 32 {
            Graph::mesh(nodes)
        } else {
            Graph::regular(nodes, DEGREE, &mut random)
        };
        let mut world = World::new(graph, Errors::OURS);
        let directory = Directory::new(nodes, &mut random);
        let copies = (nodes / 1_000).max(1);
        let mean = [copies, 1, 0].map(|copies| {
            let directory = (copies < 2).then_some(&directory);
            runs(&mut world, directory, copies, normal(), &mut random).mean()
        });
        (nodes, mean)
    });
    at.to_vec()
}

fn runs(
    world: &mut World,
    directory: Option<&Directory>,
    copies: usize,
    limits: Limits,
    random: &mut Random,
) -> Runs {
    let mut runs = Runs::default();
    for _ in 0..SEARCHES {
        let file = random.next();
        world.put(file, copies, random);
        let mut asker = world.somebody(random);
        while world.has(asker, file) {
            asker = world.somebody(random);
        }
        runs.add(drive::search(world, directory, asker, file, limits));
    }
    runs
}

/// The costs of many searches.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    calls: Vec<usize>,
    messages: Vec<usize>,
    times: Vec<Duration>,
    found: usize,
}

impl Runs {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.calls.push(outcome.calls);
        self.messages.push(outcome.messages);
        self.times.push(outcome.time);
        self.found += usize::from(outcome.found);
    }

    pub(crate) fn mean(&self) -> f64 {
        mean(&self.calls)
    }

    pub(crate) fn text(&self) -> String {
        let (mut calls, mut times) = (self.calls.clone(), self.times.clone());
        calls.sort_unstable();
        times.sort_unstable();
        let at = |part: usize| self.calls.len() * part / 100;
        let found = self.found as f64 * 100.0 / self.calls.len() as f64;
        let mut text = format!(
            "mean {:.1}, 99 of 100 within {}, most {}; {found:.1} % found; half within {:.2} s",
            self.mean(),
            calls[at(99)],
            calls[calls.len() - 1],
            times[at(50)].as_secs_f64(),
        );
        if self.messages.iter().any(|sent| *sent > 0) {
            text.push_str(&format!("; {:.1} messages", mean(&self.messages)));
        }
        text
    }
}

fn mean(counts: &[usize]) -> f64 {
    counts.iter().sum::<usize>() as f64 / counts.len() as f64
}
