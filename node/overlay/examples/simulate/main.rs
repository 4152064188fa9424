//! The cost of searches in networks that are too large to run: a table and a plot.
//!
//! ```sh
//! cargo run --release -p node-overlay --example simulate -- docs/calls.svg
//! ```
//!
//! # Participants
//! [`graph`] makes networks, [`world`] has the files and what summaries say of
//! it, [`drive`] makes one search with the [`Planner`](node_overlay::planner::Planner)
//! of the node, in the time of an event queue. [`scenarios`] are the rows of the
//! table, [`attacked`] those with attackers; [`directory`] stands for a distributed
//! hash table that knows providers, [`flood`] for attackers at the quotas of a node.
//!
//! # Invariants
//! - All that decides is the planner; here are networks, answers and times only.
//! - The same seed gives the same figures, on any machine.
//!
//! # What is simplified
//! Networks do not change during a search; files lie anywhere; a call takes
//! [`drive::CALL`]; the directory has perfect routing tables.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for a person, who names the file of the plot"
)]

mod attacked;
mod directory;
mod drive;
mod flood;
mod graph;
mod plot;
mod random;
mod scenarios;
mod world;

use std::{env, fs, io, time::Instant};

fn main() -> io::Result<()> {
    let begun = Instant::now();
    println!("| network | what | target | measured |\n|---|---|---|---|");
    for scenario in scenarios::ALL {
        for row in scenario() {
            println!(
                "| {} | {} | {} | {} |",
                row.network, row.what, row.target, row.measured
            );
        }
    }
    if let Some(path) = env::args().nth(1) {
        fs::write(path, plot::svg(&scenarios::by_size()))?;
    }
    println!("\n{:.1} s in all", begun.elapsed().as_secs_f64());
    Ok(())
}
