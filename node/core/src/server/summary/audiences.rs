//! The summaries of a share for those whom the owner's policy lets in: one an audience.
//!
//! An audience is all that a policy can tell of an asker: its address, its id and its groups, as
//! far as the policy reads them. A policy that knows nothing but groups has few audiences.
//!
//! # Invariants
//! - A summary is used only while the policy and the files are those that it was made for.
//! - At most [`AUDIENCES_MAX`] are kept; the oldest makes room.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use plugin_api::Policy;

use super::Filters;
use crate::{server::policy::Audience, sync::lock};

/// Most audiences whose filters are kept.
const AUDIENCES_MAX: usize = 64;

/// The filters of the audiences, as far as they were asked for.
#[derive(Default)]
pub(in crate::server) struct Audiences {
    kept: Mutex<VecDeque<Kept>>,
    /// Filters of many files are made one after the other.
    pub(in crate::server) turn: Arc<tokio::sync::Mutex<()>>,
}

struct Kept {
    audience: Audience,
    /// The policy that decided.
    policy: Arc<dyn Policy>,
    /// The number of the changes of the share when it did.
    changes: u64,
    filters: Arc<Filters>,
}

impl Audiences {
    /// Returns the filters of an audience, if they are those of now.
    pub(in crate::server) fn of(
        &self,
        audience: &Audience,
        policy: &Arc<dyn Policy>,
        changes: u64,
    ) -> Option<Arc<Filters>> {
        let kept = lock(&self.kept);
        let found = kept.iter().find(|kept| kept.audience == *audience)?;
        let is_now = found.changes == changes && Arc::ptr_eq(&found.policy, policy);
        is_now.then(|| Arc::clone(&found.filters))
    }

    /// Keeps the filters of an audience in place of earlier ones.
    pub(in crate::server) fn keep(
        &self,
        audience: Audience,
        policy: Arc<dyn Policy>,
        changes: u64,
        filters: Arc<Filters>,
    ) {
        let mut kept = lock(&self.kept);
        kept.retain(|other| other.audience != audience);
        if kept.len() >= AUDIENCES_MAX {
            kept.pop_front();
        }
        kept.push_back(Kept {
            audience,
            policy,
            changes,
            filters,
        });
    }
}

impl std::fmt::Debug for Audiences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audiences").finish_non_exhaustive()
    }
}
