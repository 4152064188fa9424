//! Faults: how a call says no, and the numbers that everybody agrees on.
//!
//! The codes 100 and 200 are the chapter's; the negative ones are the XML-RPC
//! fault-code interoperability set. A fault carries a number and one short
//! sentence.
//!
//! Absent on purpose: local paths, backtraces, causes. A fault goes to
//! strangers; details go to the log.
//!
//! # Invariants
//! - The text is one line of at most [`FAULT_TEXT_MAX`] graphic characters,
//!   for faults we make and for faults we read.

use crate::escape::escaped_to;
use crate::limits::FAULT_TEXT_MAX;
use crate::name::NameError;

/// The query found nothing: the ordinary "no".
pub const UNHANDLED: i32 = 100;
/// The caller may not have this.
pub const ACCESS_DENIED: i32 = 200;
/// The request is not well-formed XML, or not XML that we accept.
pub const PARSE_ERROR: i32 = -32700;
/// The request is XML but not an XML-RPC call.
pub const INVALID_REQUEST: i32 = -32600;
/// There is no such method.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// The parameters are not what the method takes.
pub const INVALID_PARAMS: i32 = -32602;
/// A defect or a broken disk on our side.
pub const INTERNAL: i32 = -32603;
/// "Application error" of the interoperability set: we are overloaded or
/// shutting down, and the same call may succeed later.
pub const BUSY: i32 = -32500;

/// A failed call: a number and a short text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault {code}: {message}")]
pub struct Fault {
    /// One of the constants of this module, or a peer's own number.
    pub code: i32,
    /// One line of at most [`FAULT_TEXT_MAX`] characters.
    pub message: String,
}

/// The reason why a query found nothing; travels in the text of a fault 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MissReason {
    /// No peer that was asked has it.
    NotFound,
    /// The same query has been here before.
    Seen,
    /// The history has reached its limit.
    HopLimit,
    /// There was no time left to ask further.
    Deadline,
    /// There were no calls left to ask further.
    Budget,
    /// A peer answered with something that cannot be read.
    Unreadable,
}

impl MissReason {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::NotFound,
        Self::Seen,
        Self::HopLimit,
        Self::Deadline,
        Self::Budget,
        Self::Unreadable,
    ];

    /// Returns the text of the fault 100 that says so.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NotFound => "Couldn't handle the query",
            Self::Seen => "Couldn't handle the query (seen before)",
            Self::HopLimit => "Couldn't handle the query (hop limit)",
            Self::Deadline => "Couldn't handle the query (deadline)",
            Self::Budget => "Couldn't handle the query (budget)",
            Self::Unreadable => "Couldn't handle the query (unreadable answer)",
        }
    }

    /// Returns the reason that a peer's text names; `None` for the words of a stranger.
    #[must_use]
    pub fn from_fault_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.text() == text)
    }
}

impl Fault {
    /// Creates a fault with any code; the text is escaped and cut.
    #[must_use]
    pub fn new(code: i32, text: &str) -> Self {
        Self {
            code,
            message: escaped_to(text, FAULT_TEXT_MAX),
        }
    }

    /// Returns fault 100: nothing was found, for this reason.
    #[must_use]
    pub fn unhandled(reason: MissReason) -> Self {
        Self::new(UNHANDLED, reason.text())
    }

    /// Returns fault 200, with the words of the chapter: never why, so that nobody
    /// can probe what exists.
    #[must_use]
    pub fn access_denied() -> Self {
        Self::new(ACCESS_DENIED, "Access denied")
    }

    /// Returns fault -32700: not XML that we accept.
    #[must_use]
    pub fn parse_error(text: &str) -> Self {
        Self::new(PARSE_ERROR, text)
    }

    /// Returns fault -32600: not an XML-RPC call.
    #[must_use]
    pub fn invalid_request(text: &str) -> Self {
        Self::new(INVALID_REQUEST, text)
    }

    /// Returns fault -32601: we have no method of this name.
    #[must_use]
    pub fn method_not_found(method: &str) -> Self {
        let method = escaped_to(method, 64);
        Self::new(METHOD_NOT_FOUND, &format!("There is no method {method}"))
    }

    /// Returns fault -32602: not the parameters that the method takes.
    #[must_use]
    pub fn invalid_params(text: &str) -> Self {
        Self::new(INVALID_PARAMS, text)
    }

    /// Returns fault -32603: our own defect, without details.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(INTERNAL, "Internal error")
    }

    /// Returns fault -32500: too much to do, try again later.
    #[must_use]
    pub fn busy() -> Self {
        Self::new(BUSY, "Busy, try again later")
    }

    /// Returns the reason why the query found nothing, if this is a fault 100 that has one.
    #[must_use]
    pub fn miss_reason(&self) -> Option<MissReason> {
        if self.code != UNHANDLED {
            return None;
        }
        MissReason::from_fault_text(&self.message)
    }
}

impl From<NameError> for Fault {
    fn from(error: NameError) -> Self {
        if error.leaves_share() {
            Self::access_denied()
        } else {
            Self::unhandled(MissReason::NotFound)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_back_from_their_texts() {
        for reason in MissReason::ALL {
            assert_eq!(MissReason::from_fault_text(reason.text()), Some(reason));
            assert_eq!(Fault::unhandled(reason).miss_reason(), Some(reason));
        }
        assert_eq!(MissReason::from_fault_text("<UnhandledQuery>"), None);
        assert_eq!(Fault::access_denied().miss_reason(), None);
    }

    #[test]
    fn long_and_hidden_text_is_cut_and_escaped() {
        let fault = Fault::new(7, &format!("\u{1B}{}", "x".repeat(500)));
        assert!(fault.message.starts_with(r"\u{1b}xxx"));
        assert_eq!(fault.message.chars().count(), FAULT_TEXT_MAX);
    }

    #[test]
    fn a_name_outside_the_share_is_denied_and_others_not_found() {
        assert_eq!(Fault::from(NameError::ParentPart).code, ACCESS_DENIED);
        assert_eq!(Fault::from(NameError::Temporary).code, UNHANDLED);
    }
}
