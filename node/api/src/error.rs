//! Errors of the control connection: one code for each thing a caller can act on.
//!
//! A code is 1000 plus the exit code with which `ctl` ends, so that scripts see
//! the same number everywhere. JSON-RPC's own codes (-32700 … -32600) keep
//! their meaning.

#[cfg(feature = "rpc")]
use jsonrpsee::types::ErrorObjectOwned;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind of an error, as a caller may act on it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The node could not do it; the message says why.
    Failed,
    /// A parameter makes no sense: a bad name, URL or query.
    Usage,
    /// No such file, peer or fetch.
    NotFound,
    /// A peer could not be reached.
    Network,
    /// Nothing was found, and not everybody could answer, or not everything could be looked at.
    Incomplete,
    /// No space left, or a limit on sizes reached.
    NoSpace,
    /// The file is there already and `replace` was not given.
    Exists,
    /// Not allowed.
    Denied,
    /// The bytes were not the ones announced.
    Mismatch,
    /// The deadline passed.
    Deadline,
    /// Stopped on request.
    Cancelled,
}

/// All codes, for tables and documents.
pub const ALL: [ErrorCode; 11] = [
    ErrorCode::Failed,
    ErrorCode::Usage,
    ErrorCode::NotFound,
    ErrorCode::Network,
    ErrorCode::Incomplete,
    ErrorCode::NoSpace,
    ErrorCode::Exists,
    ErrorCode::Denied,
    ErrorCode::Mismatch,
    ErrorCode::Deadline,
    ErrorCode::Cancelled,
];

const BASE: i32 = 1000;

impl ErrorCode {
    /// Returns the number of this code in a JSON-RPC error.
    #[must_use]
    pub fn number(self) -> i32 {
        BASE + i32::from(self.exit_code())
    }

    /// Returns the exit code of `ctl` for this error.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorCode::Failed => 1,
            ErrorCode::Usage => 2,
            ErrorCode::NotFound => 3,
            ErrorCode::Network => 6,
            ErrorCode::Incomplete => 7,
            ErrorCode::NoSpace => 9,
            ErrorCode::Exists => 13,
            ErrorCode::Denied => 24,
            ErrorCode::Mismatch => 32,
            ErrorCode::Deadline => 124,
            ErrorCode::Cancelled => 130,
        }
    }

    /// Returns the code with this JSON-RPC number, if it is one of ours.
    #[must_use]
    pub fn from_number(number: i32) -> Option<ErrorCode> {
        ALL.into_iter().find(|code| code.number() == number)
    }

    /// Returns the name of this code: the `snake_case` word that JSON shows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ErrorCode::Failed => "failed",
            ErrorCode::Usage => "usage",
            ErrorCode::NotFound => "not_found",
            ErrorCode::Network => "network",
            ErrorCode::Incomplete => "incomplete",
            ErrorCode::NoSpace => "no_space",
            ErrorCode::Exists => "exists",
            ErrorCode::Denied => "denied",
            ErrorCode::Mismatch => "mismatch",
            ErrorCode::Deadline => "deadline",
            ErrorCode::Cancelled => "cancelled",
        }
    }
}

/// An error as answers carry it: in JSON-RPC errors, and in the status of a
/// fetch that failed.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ApiError {
    /// The kind of the error.
    pub code: ErrorCode,
    /// One sentence for a person: the failure, and the file or peer.
    pub message: String,
    /// A finer reason that a program may act on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ErrorReason>,
}

/// The reason of an error beyond its code.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorReason {
    /// A file of this name is not shared, whether it is there or not.
    NeverShared,
}

impl ApiError {
    /// Creates an error with its sentence.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError {
            code,
            message: message.into(),
            reason: None,
        }
    }

    /// Adds the reason of the error beyond its code.
    #[must_use]
    pub fn because(self, reason: ErrorReason) -> ApiError {
        ApiError {
            reason: Some(reason),
            ..self
        }
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

#[cfg(feature = "rpc")]
impl From<ApiError> for ErrorObjectOwned {
    fn from(error: ApiError) -> ErrorObjectOwned {
        let mut data = json!({ "code": error.code });
        if let Some(reason) = error.reason {
            data["reason"] = json!(reason);
        }
        ErrorObjectOwned::owned(error.code.number(), error.message, Some(data))
    }
}

pub(crate) fn describe() -> Value {
    ALL.into_iter()
        .map(|code| {
            (
                code.name().to_owned(),
                json!({ "code": code.number(), "message": code.name() }),
            )
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_lead_back_to_their_code() {
        for code in ALL {
            assert_eq!(ErrorCode::from_number(code.number()), Some(code));
        }
    }

    #[test]
    fn names_are_what_json_shows() {
        for code in ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }
}
