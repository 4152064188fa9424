//! The two dialects of the protocol.
//!
//! The chapter printed two implementations that differ in how they say "no".
//! Everything else, routes included, is the same for both.

/// The way in which a peer reports that a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Dialect {
    /// The second implementation, and the default: a value, or a fault with a
    /// number. `hello` and `fetch` return 0.
    #[default]
    Faults,
    /// The first implementation: `query` returns `[1, data]` or `[2, ""]`,
    /// `hello` and `fetch` return 1 or 2.
    Codes,
}

impl Dialect {
    /// Returns the result of a `hello` and `fetch` that succeeded.
    #[must_use]
    pub fn success_code(self) -> i32 {
        match self {
            Self::Faults => 0,
            Self::Codes => CODE_OK,
        }
    }
}

/// "Done" in [`Dialect::Codes`].
pub const CODE_OK: i32 = 1;

/// "Failed" in [`Dialect::Codes`].
pub const CODE_FAIL: i32 = 2;
