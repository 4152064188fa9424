//! How much of this node's work others may cause.
//!
//! Each call takes tokens from the bucket of who makes it: of its id, if it has
//! shown one, of its address otherwise. Content is not counted here: it has its
//! slots and its rate, and files are what peers come for.
//!
//! # Invariants
//! - Nobody uses up what others may cause.
//! - Who is on this machine has no quota; the front bounds what it can do.
//! - The tables are bounded.

use std::{
    net::IpAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use node_wire::{
    Nonce,
    node_id::{NodeId, TOKEN_HEADER},
    scope::Scope,
};

use super::{Context, front::Remote};
use crate::{
    bucket::{Buckets, Quota, source_of},
    clock::now,
    sync::lock,
};

/// What a stranger may cause: tokens a second, and at once.
const STRANGER: Quota = Quota::per_second(100, 1_000);

/// What a node may cause that has shown who it is.
const NODE: Quota = Quota::per_second(2_000, 20_000);

/// Most addresses, and most ids, that are told apart.
const TABLE_MAX: usize = 4_096;

/// What something costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cost {
    /// Any call.
    Call,
    /// A look at what this node has.
    Search,
    /// A signature, or a secret to compare.
    Proof,
    /// Asking other nodes.
    Walk,
}

/// Who causes work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause {
    address: IpAddr,
    id: Option<NodeId>,
}

/// What each may still cause.
#[derive(Debug)]
pub struct Quotas {
    addresses: Mutex<Buckets<IpAddr>>,
    ids: Mutex<Buckets<NodeId>>,
}

impl Cost {
    fn tokens(self) -> u32 {
        match self {
            Cost::Call => 1,
            Cost::Search => 4,
            Cost::Proof => 5,
            Cost::Walk => 10,
        }
    }
}

impl Cause {
    /// Who sent a request: its token says so, if it has one that is good.
    pub(super) fn of(context: &Context, remote: Remote, headers: &HeaderMap) -> Cause {
        let token = headers.get(TOKEN_HEADER).and_then(|token| {
            let token: Nonce = token.to_str().ok()?.parse().ok()?;
            context.overlay.who(&token)
        });
        Cause {
            address: remote.0.ip(),
            id: token,
        }
    }
}

impl Quotas {
    /// Takes what something costs.
    ///
    /// # Errors
    /// When there is too little left: how long until there is enough.
    pub(super) fn take(&self, cause: Cause, cost: Cost) -> Result<(), Duration> {
        self.take_at(cause, cost, now())
    }

    fn take_at(&self, cause: Cause, cost: Cost, now: Instant) -> Result<(), Duration> {
        if Scope::of_address(cause.address) == Scope::Machine {
            return Ok(());
        }
        let tokens = cost.tokens();
        match cause.id {
            Some(id) => lock(&self.ids).take(id, NODE, tokens, now),
            None => {
                let source = source_of(cause.address);
                lock(&self.addresses).take(source, STRANGER, tokens, now)
            }
        }
    }
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas {
            addresses: Mutex::new(Buckets::new(TABLE_MAX)),
            ids: Mutex::new(Buckets::new(TABLE_MAX)),
        }
    }
}

/// The answer to who asks too much: not now, but after `wait`.
pub(super) fn refusal(context: &Context, wait: Duration) -> Response {
    context.counters.requests_over_quota.one();
    let seconds = wait.as_secs() + 1;
    let text = format!("too many requests; try again in {seconds} s\n");
    let mut response = (StatusCode::TOO_MANY_REQUESTS, text).into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(last: u8) -> Cause {
        Cause {
            address: IpAddr::from([203, 0, 113, last]),
            id: None,
        }
    }

    fn passed(quotas: &Quotas, cause: Cause, cost: Cost, now: Instant) -> usize {
        let tries = 0..50_000;
        let taken = tries.take_while(|_| quotas.take_at(cause, cost, now).is_ok());
        taken.count()
    }

    #[test]
    fn a_stranger_has_a_quota_and_leaves_the_others_theirs() {
        let (quotas, now) = (Quotas::default(), Instant::now());
        assert_eq!(passed(&quotas, stranger(1), Cost::Call, now), 1_000);
        assert_eq!(passed(&quotas, stranger(2), Cost::Walk, now), 100);
        let later = now + Duration::from_secs(1);
        assert_eq!(passed(&quotas, stranger(1), Cost::Call, later), 100);
        let wait = quotas.take_at(stranger(1), Cost::Walk, later);
        assert_eq!(wait, Err(Duration::from_millis(100)));
    }

    #[test]
    fn a_node_that_has_shown_who_it_is_has_more_and_wherever_it_is() {
        let (quotas, now) = (Quotas::default(), Instant::now());
        let known = |last| Cause {
            id: Some(NodeId([7; 32])),
            ..stranger(last)
        };
        assert_eq!(passed(&quotas, known(1), Cost::Call, now), 20_000);
        assert_eq!(passed(&quotas, known(2), Cost::Call, now), 0);
        assert_eq!(passed(&quotas, stranger(1), Cost::Call, now), 1_000);
    }

    #[test]
    fn this_machine_has_no_quota() {
        let (quotas, now) = (Quotas::default(), Instant::now());
        let here = Cause {
            address: IpAddr::from([127, 0, 0, 1]),
            id: None,
        };
        assert_eq!(passed(&quotas, here, Cost::Walk, now), 50_000);
    }
}
