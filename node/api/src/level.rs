//! The levels of the rights that callers have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A right on the control connection. Each level includes those before it.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// May search, list, read content, and see status and events.
    Read,
    /// May bring files into the share, too.
    Fetch,
    /// May do everything. The secret of the node has this level.
    Admin,
}

impl Level {
    /// All levels, the lowest first.
    pub const ALL: [Level; 3] = [Level::Read, Level::Fetch, Level::Admin];

    /// Returns its name: the word that JSON shows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Read => "read",
            Level::Fetch => "fetch",
            Level::Admin => "admin",
        }
    }

    /// Returns whether a caller of this level may call a method that needs `needed`.
    #[must_use]
    pub fn allows(self, needed: Level) -> bool {
        self >= needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_includes_those_before_it() {
        let allowed = |level: Level| Level::ALL.map(|needed| level.allows(needed));
        assert_eq!(allowed(Level::Read), [true, false, false]);
        assert_eq!(allowed(Level::Fetch), [true, true, false]);
        assert_eq!(allowed(Level::Admin), [true, true, true]);
    }

    #[test]
    fn names_are_what_json_shows() {
        for level in Level::ALL {
            assert_eq!(serde_json::to_value(level).unwrap(), level.name());
        }
    }
}
