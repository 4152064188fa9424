//! The interface of a policy: it decides what other nodes may ask and have.

use std::{net::IpAddr, sync::Arc};

/// A function of a policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// `allow_query(q)`: whether a query of another node is answered.
    AllowQuery,
    /// `allow_fetch(f)`: whether another node may have a file, or hear of it.
    AllowFetch,
    /// `rank(hit)`: the worth of a hit to the owner.
    Rank,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 3] = [Rule::AllowQuery, Rule::AllowFetch, Rule::Rank];

    /// Returns the name of the function.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Rule::AllowQuery => "allow_query",
            Rule::AllowFetch => "allow_fetch",
            Rule::Rank => "rank",
        }
    }
}

/// A query of another node.
#[derive(Clone, Debug)]
pub struct QueryAsked {
    /// The handler that is asked: `name` for the name of a file, `digest` for
    /// content by its digest.
    pub handler: String,
    /// The text of the query, filters included.
    pub text: String,
    /// The address that asks.
    pub from: IpAddr,
    /// The id of the asker, 64 hex digits, if its connection shows it; else empty.
    pub id: String,
    /// The groups that the owner has put this id into, sorted.
    pub groups: Vec<String>,
    /// The URL that the asker says it has; empty if it says none.
    pub peer: String,
}

/// The properties of an asker that a policy reads.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reads {
    /// The address.
    pub from: bool,
    /// The id.
    pub id: bool,
    /// The groups.
    pub groups: bool,
    /// The URL.
    pub peer: bool,
}

/// The kind of data that another node would get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// The bytes.
    Content,
    /// The name, among the hits of a query, and the handler's excerpt.
    Hit,
}

/// A file, and another node that would have it.
#[derive(Clone, Debug)]
pub struct FetchAsked {
    /// Its name in the share; empty for cached content without a name.
    pub name: String,
    /// Its size in bytes, if it is known.
    pub size: Option<u64>,
    /// Its digest, hex, if it is asked for by that; else empty.
    pub digest: String,
    /// The address that asks.
    pub from: IpAddr,
    /// The id of the asker, 64 hex digits, if its connection shows it; else empty.
    pub id: String,
    /// The groups that the owner has put this id into, sorted.
    pub groups: Vec<String>,
    /// The URL that the asker says it has; empty if it says none.
    pub peer: String,
    /// The data that it would get.
    pub what: What,
}

/// A hit of a search of the owner.
#[derive(Clone, Debug, Default)]
pub struct RankAsked {
    /// Name of the file.
    pub name: String,
    /// Its size in bytes, if it is known.
    pub size: Option<u64>,
    /// The time of its last change, Unix milliseconds.
    pub modified: Option<u64>,
    /// URL of the node that has it.
    pub node: String,
    /// True if that is the owner's own node.
    pub here: bool,
    /// Its digest, hex, if it is known; else empty.
    pub digest: String,
    /// The handler that found it.
    pub handler: String,
    /// The score that the handler gave it, if it gave one.
    pub score: Option<f64>,
    /// The line or the words that match; empty if there are none.
    pub text: String,
}

/// The decisions about some hits: true if another node may hear of one.
#[derive(Debug, Default)]
pub struct HitsAllowed {
    /// For each hit that was asked about, in order. Those behind are refused.
    pub allowed: Vec<bool>,
    /// The error of the last decision that failed.
    pub failure: Option<PolicyError>,
}

/// The error of a policy without a decision.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{}` of the policy failed: {problem}", rule.name())]
pub struct PolicyError {
    /// The function.
    pub rule: Rule,
    /// The error, and its place.
    pub problem: String,
}

/// Decides for an owner. Each call blocks for a short, bounded time.
///
/// A guard that makes no decision refuses: the caller takes an error for a no.
pub trait Policy: Send + Sync {
    /// Returns whether the policy has this rule. Without it, everything is allowed and
    /// all hits are worth the same.
    fn has(&self, rule: Rule) -> bool;

    /// Returns the properties of an asker that it reads. Its decisions depend on no other.
    fn reads(&self) -> Reads;

    /// Decides whether a query is answered.
    ///
    /// # Errors
    /// [`PolicyError`]: it is not.
    fn allows_query(&self, asked: &QueryAsked) -> Result<bool, PolicyError>;

    /// Decides whether another node may have a file.
    ///
    /// # Errors
    /// [`PolicyError`]: it may not.
    fn allows_fetch(&self, asked: &FetchAsked) -> Result<bool, PolicyError>;

    /// Decides which hits another node may hear of; allows at most `most` of them.
    fn allows_hits(&self, hits: &mut dyn Iterator<Item = FetchAsked>, most: usize) -> HitsAllowed;

    /// Returns the worth of each hit to the owner, and `None` for those to leave out.
    ///
    /// # Errors
    /// [`PolicyError`] at the first hit for which it fails, and if there are too many for the time.
    fn rank(&self, hits: &[RankAsked]) -> Result<Vec<Option<f64>>, PolicyError>;
}

/// The rules that hold now.
#[derive(Clone)]
pub enum Rules {
    /// There is no policy: everything is allowed.
    None,
    /// There is a policy and no version of it was valid: nothing is allowed.
    Closed,
    /// The last valid version.
    Policy(Arc<dyn Policy>),
}

/// A policy and its problems, for its owner.
#[derive(Clone, Debug)]
pub struct PolicyState {
    /// The functions of the last valid version, if there was one.
    pub rules: Option<Vec<Rule>>,
    /// The reason why the file as it is now is not used.
    pub problem: Option<String>,
    /// The error of the last decision that failed, since that version holds.
    pub failure: Option<String>,
}

/// A place that a policy is loaded from, again and again.
pub trait PolicySource: Send + Sync {
    /// Returns the name of the file, for the owner.
    fn file(&self) -> &str;

    /// Loads the policy if it changed. Returns a line for the owner if so. Blocks; to be
    /// called by one thread at a time.
    fn refresh(&self) -> Option<String>;

    /// Returns the rules that hold now.
    fn rules(&self) -> Rules;

    /// Returns the state of the policy, if there is one.
    fn state(&self) -> Option<PolicyState>;
}
