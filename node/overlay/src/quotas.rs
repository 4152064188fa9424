//! Limits on the work that others may cause on this node.
//!
//! Each call takes tokens from the bucket of its caller: of its id, if it has
//! shown one, of its address as a stranger otherwise. It takes as many from the
//! bucket of all that comes from that address, because ids cost nothing. Content
//! is not counted here: it has its slots and its rate, and files are what peers
//! come for.
//!
//! # Invariants
//! - Nobody uses up what others may cause, unless they share an address; and what
//!   those share is enough for several.
//! - However many ids somebody has, an address has one bucket.
//! - A call that is refused takes nothing.
//! - For any number of callers, the calls of this node for them are bounded.
//! - A caller on this machine has no quota; the front bounds what it can do.
//! - The tables are bounded.

use std::{
    net::IpAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use node_wire::{budget::Budget, methods as names, node_id::NodeId, scope::Scope};

use node_base::{
    bucket::{Bucket, Buckets, Quota, source_of},
    clock::now,
    sync::lock,
};

/// The quota of a stranger: tokens a second, and at once.
pub const STRANGER: Quota = Quota::per_second(100, 1_000);

/// Bytes that are read for one token.
const READ_BYTES: u64 = 8 << 20;

/// Most tokens that reading takes, so that everybody may have the longest file read.
const READ_MAX: u32 = 500;

/// The quota of a node with a proved identity.
pub const NODE: Quota = Quota::per_second(2_000, 20_000);

/// The quota of all calls from one address: two nodes with proved identities
/// that ask as much as they may, or, behind a router, many others.
pub const ADDRESS: Quota = Quota::per_second(4_000, 40_000);

/// Calls to other nodes that all others together may cause: what is forwarded costs more
/// nodes than the one that is asked, and many askers are within their quotas.
pub const FORWARDED: Quota = Quota::per_second(1_000, 16_384);

/// The greatest number of addresses, and of ids, that have buckets of their own.
const TABLE_MAX: usize = 4_096;

/// The cost of a call, in tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cost {
    /// Any call.
    Call,
    /// A look at the files of this node.
    Search,
    /// A signature, or a secret to compare.
    Proof,
    /// Asking other nodes, up to as many times as a query has calls.
    Walk,
    /// Reading so many bytes to learn the kind of their content.
    Read(u64),
}

/// The cause of work: the caller.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    /// Its address.
    pub address: IpAddr,
    /// Its proved identity.
    pub id: Option<NodeId>,
}

/// The tokens that each caller has left.
#[derive(Debug)]
pub struct Quotas(Mutex<Tables>);

/// The buckets of all.
#[derive(Debug)]
struct Tables {
    strangers: Buckets<IpAddr>,
    ids: Buckets<NodeId>,
    addresses: Buckets<IpAddr>,
    forwarded: Bucket,
}

impl Cost {
    /// Returns the cost of a method besides the call.
    #[must_use]
    pub fn of_method(method: &str) -> Cost {
        match method {
            names::FIND | names::MORE | names::SUMMARY | names::WATCH => Cost::Search,
            names::INTRODUCE | names::FETCH => Cost::Proof,
            _ => Cost::Call,
        }
    }

    /// Returns the tokens that it takes.
    #[must_use]
    pub fn tokens(self) -> u32 {
        match self {
            Cost::Call => 1,
            Cost::Search => 4,
            Cost::Proof => 5,
            Cost::Walk => 50,
            Cost::Read(bytes) => {
                let tokens = bytes / READ_BYTES;
                u32::try_from(tokens).map_or(READ_MAX, |tokens| tokens.min(READ_MAX))
            }
        }
    }
}

impl Quotas {
    /// Takes the tokens for a cost.
    ///
    /// # Errors
    /// Errors if there is too little left, with the time until there is enough.
    pub fn take(&self, cause: Cause, cost: Cost) -> Result<(), Duration> {
        self.take_at(cause, cost, now())
    }

    /// Takes tokens as of `now`.
    ///
    /// # Errors
    /// Errors if there is too little left, with the time until there is enough.
    pub fn take_at(&self, cause: Cause, cost: Cost, now: Instant) -> Result<(), Duration> {
        if Scope::of_source(cause.address) == Scope::Machine {
            return Ok(());
        }
        let (source, tokens) = (source_of(cause.address), cost.tokens());
        let mut tables = lock(&self.0);
        tables.addresses.has(&source, ADDRESS, tokens, now)?;
        match cause.id {
            Some(id) => tables.ids.take(id, NODE, tokens, now)?,
            None => tables.strangers.take(source, STRANGER, tokens, now)?,
        }
        tables.addresses.take(source, ADDRESS, tokens, now)
    }

    /// Takes calls to other nodes that a query may cause.
    ///
    /// # Errors
    /// Errors if others cause too many together, with the time until there are enough.
    pub fn forward(&self, cause: Cause, calls: Budget) -> Result<(), Duration> {
        self.forward_at(cause, calls, now())
    }

    /// Takes tokens for forwarded calls as of `now`.
    ///
    /// # Errors
    /// Errors if others cause too many together, with the time until there are enough.
    pub fn forward_at(&self, cause: Cause, calls: Budget, now: Instant) -> Result<(), Duration> {
        if Scope::of_source(cause.address) == Scope::Machine {
            return Ok(());
        }
        let calls = u32::try_from(calls.calls()).unwrap_or(u32::MAX);
        lock(&self.0).forwarded.take(FORWARDED, calls, now)
    }
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas(Mutex::new(Tables {
            strangers: Buckets::new(TABLE_MAX),
            ids: Buckets::new(TABLE_MAX),
            addresses: Buckets::new(TABLE_MAX),
            forwarded: Bucket::default(),
        }))
    }
}

#[cfg(test)]
mod tests;
