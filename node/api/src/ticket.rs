//! Namespace `ticket`: links that let people without Sixhop take, or leave, certain files.
//!
//! A link is a URL of the web port of the node with a text in it that nobody guesses. Whoever adds one makes the text
//! and gives the node its hash, so that no message has it. The node serves links where it was started with `--web`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::namespace;

/// Most tickets that a node keeps.
pub const TICKETS_MAX: usize = 256;

/// Most names of one ticket.
pub const NAMES_MAX: usize = 256;

/// Most uses of one ticket.
pub const USES_MAX: u32 = 10_000;

/// The direction in which a ticket lets files go.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketKind {
    /// Its holder takes files.
    Share,
    /// Its holder leaves files.
    Ask,
}

/// A link and what it does. Its text is not part of it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Ticket {
    /// Its number.
    pub id: u64,
    /// What its holder does.
    pub kind: TicketKind,
    /// The files and folders of the share that are taken; of an ask, the folder of the inbox that files go to.
    pub names: Vec<String>,
    /// The time when it was added, Unix milliseconds.
    pub created: u64,
    /// The time when it ends, Unix milliseconds; absent if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// True if that time is over: it is of no use any more.
    #[serde(default)]
    pub expired: bool,
    /// How many downloads it gives, or files it takes; absent if there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// How many of them were completed.
    pub used: u32,
    /// How many are on their way: claimed and not complete.
    pub running: u32,
    /// True if it asks for a password.
    pub password: bool,
    /// Most bytes that it takes in all; absent if it gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Bytes that it took.
    #[serde(default)]
    pub received: u64,
}

/// A ticket that was added.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct NewTicket {
    /// The ticket.
    pub ticket: Ticket,
    /// The begin of its URL. The text of the link goes behind it.
    pub url: String,
    /// The directory of the machine that files go to, if it takes files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// A note if others may not reach that URL, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<String>,
}

namespace! {
    /// Links for people without Sixhop.
    "ticket" => Tickets {
        /// Adds a link by which others take files and folders of the share, by their names. Gives the begin of its URL.
        ///
        /// `sha256` is the SHA-256 of the text that goes behind that URL, 64 hex digits; `ctl share add` makes the text.
        /// `uses` is how many complete downloads it gives. It ends after `seconds`. `password` is the hash of a password
        /// with that text, 64 hex digits. Fails with `usage` if the node was started without `--web`.
        Admin fn "share" share(names: [Vec<String>], sha256: [String], uses: [Option<u32>], seconds: [Option<u64>], password: [Option<String>]) -> [NewTicket];
        /// Adds a link by which others leave files in a folder of the inbox. Gives the begin of its URL.
        ///
        /// `into` is the name of the folder, by default the number of the ticket; `max_bytes` limits all files together,
        /// and `uses` their number. The others are as for `share`.
        Admin fn "ask" ask(sha256: [String], into: [Option<String>], max_bytes: [Option<u64>], uses: [Option<u32>], seconds: [Option<u64>], password: [Option<String>]) -> [NewTicket];
        /// Lists the links, by their numbers.
        Admin fn "list" list() -> [Vec<Ticket>];
        /// Removes a link. Says whether there was one. What runs by it ends within a second.
        Admin fn "remove" remove(id: [u64]) -> [bool];
    }
}
