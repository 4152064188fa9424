//! End-to-end tests: the programs `noded` and `ctl` as their users, their peers and their attackers meet them.
//!
//! One binary, so that the programs are built and linked once. One file a subject; `tidy` keeps the list below whole. Tests
//! touch only their own temporary directories, listen on port 0 of the loopback, and wait with deadlines.

#![allow(
    clippy::disallowed_methods,
    reason = "tests make and look at shares as their owners do: by path"
)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the parts of tests that are functions are tests too"
)]

mod agents;
mod asks;
mod blobs;
mod cache;
mod capture;
mod cat;
mod catalogue;
mod chapter;
mod clients;
mod commands;
mod content;
mod control;
mod ctl_cli;
mod discovery;
mod documents;
mod encryption;
mod fetch_names;
mod first_meetings;
mod flood;
mod foreign_text;
mod fresh;
mod groups;
mod hints;
mod hooks;
mod how_to;
mod http_front;
mod json;
mod link_pages;
mod links;
mod meeting;
mod memory;
mod mesh;
mod names;
mod neighbours;
mod node_names;
mod odd_names;
mod operated;
mod outlets;
mod own_files;
mod packaging;
mod pictures;
mod plugins;
mod policy;
mod private;
mod programs;
mod queries;
mod rates;
mod reader;
mod readme;
mod referrals;
mod rogues;
mod sandbox;
mod scripts;
mod searching;
mod shell;
mod small_files;
mod start;
mod starving;
mod store;
mod strangers;
mod summaries;
mod terminal;
mod tidy;
mod tokens;
mod transfers;
mod ui;
mod unprefixed;
mod watches;
mod world;
mod xml;
