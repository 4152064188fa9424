//! Namespace `token`: rights for others than the owner, such as programs that act for people.
//!
//! A token is a text that its holder shows in place of the secret. Whoever adds one makes the text and gives the node its
//! hash, so that no message has it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{contract::namespace, level::Level};

/// Most tokens that a node keeps.
pub const TOKENS_MAX: usize = 64;

/// Longest name of a token, in characters.
pub const NAME_MAX: usize = 64;

/// A named token. Its text is not part of it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Token {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What its holder may do.
    pub may: Level,
    /// The time when it was added, Unix milliseconds.
    pub created: u64,
    /// The time when it ends, Unix milliseconds; absent if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// True if that time is over: it gives no right any more.
    #[serde(default)]
    pub expired: bool,
    /// The time of its last use, Unix milliseconds; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
}

namespace! {
    /// Rights for others than the owner.
    "token" => Tokens {
        /// Adds a token that may do what a level allows: `read`, `fetch` or `admin`. Gives what is kept of it.
        ///
        /// `sha256` is the SHA-256 of the text that its holder will show as `Authorization: Bearer TEXT`, 64 hex digits.
        /// The text has at least 256 random bits; `ctl token add` makes it. The token ends after `seconds`, if they are
        /// given. Fails with `exists` if there is one of this name that has not expired.
        Admin fn "add" add(name: [String], may: [Level], sha256: [String], seconds: [Option<u64>]) -> [Token];
        /// Lists the tokens, sorted by name, with the time of their last use.
        Admin fn "list" list() -> [Vec<Token>];
        /// Removes a token. Says whether there was one. Its calls, subscriptions and connections end within a second.
        Admin fn "remove" remove(name: [String]) -> [bool];
    }
}
