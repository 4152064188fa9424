//! Errors, classified once: the message and the exit code.
//!
//! Each error is one sentence for a person with the failure, the file or peer, and the remedy. Its
//! [`ErrorCode`] is the same word and number for programs: in `--json`, in scripts, and as exit code.
//!
//! Absent on purpose: backtraces, causes of causes, secrets.
//!
//! # Invariants
//! - An exit code depends on the error alone, never on the command.
//! - What is shown is one line without control characters.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use jsonrpsee::{
    client_transport::ws::WsHandshakeError,
    core::{client::Error as ClientError, http_helpers::HttpError as BodyError},
    types::error::{INVALID_PARAMS_CODE, METHOD_NOT_FOUND_CODE},
};
use jsonrpsee_http_client::transport::Error as HttpError;
use node_api::error::{ApiError, ErrorCode, ErrorReason};
use node_base::secret::BadSecret;
use node_wire::escaped_whole;
use serde_json::{Value, json, value::RawValue};

use crate::{
    cli::duration,
    connection::{NotRunning, Place, ShownRight},
};

/// Advice for when there is no node.
const START_ONE: &str = "start one with `noded --share DIR` or `ctl up --share DIR`";

/// The error of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CtlError {
    /// The error that the node answered, or one of ours that has no more to it.
    #[error("{0}")]
    Api(#[from] ApiError),
    #[error("no node answers at {place}{}; {START_ONE}", from(.place, .file))]
    NoNode { place: Place, file: PathBuf },
    #[error("no node runs with the state directory {}, and somebody else answers at {place}; {START_ONE}", state(.file))]
    NotRunning { place: Place, file: PathBuf },
    #[error("the state directory {} belongs to another user; give one of your own with --state DIR", .0.display())]
    ForeignState(PathBuf),
    #[error("other users have permissions on the state directory {}; run `chmod 700 {}` if nobody else has put files there", .0.display(), .0.display())]
    OpenState(PathBuf),
    #[error("no node runs with the state directory {}: there is no file {}; {START_ONE}", state(.file), .file.display())]
    NoControlFile { file: PathBuf },
    #[error("{} does not hold the address of a node on this machine, such as 127.0.0.1:4243; remove it and start the node again", .file.display())]
    BadControlFile { file: PathBuf },
    #[error("the node at {place} closed the connection")]
    Closed { place: Place },
    #[error("the node at {place} does not accept {shown}; {}", .shown.advice())]
    NotAuthorised { place: Place, shown: ShownRight },
    #[error("others can read {}, which gives a right at the node; run `chmod 600 {}`", .file.display(), .file.display())]
    SecretReadable { file: PathBuf },
    #[error("{} belongs to another user; give a file of your own", .file.display())]
    SecretForeign { file: PathBuf },
    #[error("there is no secret to talk to the node with: no file {}, and neither SIXHOP_SECRET_FILE nor SIXHOP_SECRET is set", .file.display())]
    NoSecret { file: PathBuf },
    #[error("the secret {0} {1}; remove it to have a new one made")]
    BadSecret(String, BadSecret),
    #[error("the token file {} {reason}; make a token with `ctl token add NAME --may read --to FILE`", .file.display())]
    BadToken { file: PathBuf, reason: BadSecret },
    #[error("what answers at {place} is not a Sixhop node: {reason}")]
    NotANode { place: Place, reason: String },
    #[error("{} exists already; give another path, or --replace to overwrite it", .0.display())]
    Exists(PathBuf),
    #[error("cannot {action} {}: {source}", .path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("gave up after {}, as --timeout or --max-time says", duration::show(*.0))]
    Deadline(Duration),
    #[error("interrupted")]
    Interrupted,
    /// A script failed; the text has file, line and function.
    #[error("{text}")]
    Script { code: ErrorCode, text: String },
    /// A script ended with `exit(code)`. Nothing is said.
    #[error("the script ended with exit code {0}")]
    ScriptExit(u8),
    /// The reader of standard output has gone. Not an error.
    #[error("nobody reads standard output")]
    OutputClosed,
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl CtlError {
    /// Returns the error of a command or parameter that is not valid.
    pub(crate) fn usage(message: impl Into<String>) -> CtlError {
        ApiError::new(ErrorCode::Usage, message).into()
    }

    /// Returns the error of something that is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> CtlError {
        ApiError::new(ErrorCode::NotFound, message).into()
    }

    /// Returns the error of an answer that is empty and not complete.
    pub(crate) fn incomplete(message: impl Into<String>) -> CtlError {
        ApiError::new(ErrorCode::Incomplete, message).into()
    }

    /// Bytes that are not what was asked for.
    pub(crate) fn mismatch(message: impl Into<String>) -> CtlError {
        ApiError::new(ErrorCode::Mismatch, message).into()
    }

    /// Returns the error of a peer or node that could not be reached.
    pub(crate) fn network(message: impl Into<String>) -> CtlError {
        ApiError::new(ErrorCode::Network, message).into()
    }

    /// Returns the error of several things of one command, with the code of all if there is one.
    pub(crate) fn of_several(code: Option<ErrorCode>, message: impl Into<String>) -> CtlError {
        ApiError::new(code.unwrap_or(ErrorCode::Failed), message).into()
    }

    /// Returns any other error.
    pub(crate) fn failed(message: impl Into<String>) -> CtlError {
        ApiError::new(ErrorCode::Failed, message).into()
    }

    /// Returns the error of a file of this machine; `action` is a verb such as `read`.
    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> CtlError {
        CtlError::File {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Returns the error of a failure to write results.
    pub(crate) fn output(error: io::Error) -> CtlError {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CtlError::OutputClosed,
            _ => CtlError::Output(error),
        }
    }

    /// Returns the code that a caller may act on.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            CtlError::Api(error) => error.code,
            CtlError::NoNode { .. }
            | CtlError::NotRunning { .. }
            | CtlError::NoControlFile { .. }
            | CtlError::Closed { .. } => ErrorCode::Network,
            CtlError::NotAuthorised { .. }
            | CtlError::ForeignState(_)
            | CtlError::OpenState(_)
            | CtlError::SecretForeign { .. }
            | CtlError::SecretReadable { .. }
            | CtlError::NoSecret { .. }
            | CtlError::BadToken { .. }
            | CtlError::BadSecret(..) => ErrorCode::Denied,
            CtlError::Exists(_) => ErrorCode::Exists,
            CtlError::File { source, .. } | CtlError::Output(source) => code_of_io(source),
            CtlError::Deadline(_) => ErrorCode::Deadline,
            CtlError::Interrupted => ErrorCode::Cancelled,
            CtlError::Script { code, .. } => *code,
            CtlError::BadControlFile { .. }
            | CtlError::NotANode { .. }
            | CtlError::ScriptExit(_)
            | CtlError::OutputClosed => ErrorCode::Failed,
        }
    }

    /// Returns the code with which the program ends.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            CtlError::ScriptExit(code) => *code,
            CtlError::OutputClosed => 0,
            _ => self.code().exit_code(),
        }
    }

    /// Returns true if the person or a limit of theirs stopped the work, so that nothing else may go on.
    pub(crate) fn is_stop(&self) -> bool {
        matches!(
            self,
            CtlError::Interrupted
                | CtlError::Deadline(_)
                | CtlError::OutputClosed
                | CtlError::ScriptExit(_)
        )
    }

    /// Returns the line for standard error, if there is something to say.
    pub(crate) fn line(&self) -> Option<String> {
        match self {
            CtlError::ScriptExit(_) | CtlError::OutputClosed => None,
            CtlError::Script { text, .. } => Some(escaped_whole(text).to_string()),
            _ => Some(format!("ctl: {}", escaped_whole(&self.to_string()))),
        }
    }

    /// Returns the object for standard error with `--json`, if there is something to say.
    pub(crate) fn json(&self) -> Option<Value> {
        self.line()?;
        Some(object(self.code(), &self.to_string()))
    }
}

/// Returns an error as `--json` shows it.
pub(crate) fn object(code: ErrorCode, message: &str) -> Value {
    json!({ "error": { "code": code.name(), "exit": code.exit_code(), "message": message } })
}

/// The node that was called, for the sentences about a failed call.
#[derive(Clone, Debug)]
pub(crate) struct Callee {
    pub(crate) place: Place,
    /// The socket, or the file that named the address.
    pub(crate) file: PathBuf,
    /// The kind of text that it is shown.
    pub(crate) shown: ShownRight,
}

impl Callee {
    /// Classifies the failure of a call.
    pub(crate) fn classify(&self, error: ClientError) -> CtlError {
        match error {
            ClientError::Call(error) => answered(&error),
            ClientError::Transport(error) => self.transport(error.as_ref()),
            ClientError::RequestTimeout => ApiError::new(
                ErrorCode::Deadline,
                format!("the node at {} did not answer in time", self.place),
            )
            .into(),
            ClientError::RestartNeeded(_) | ClientError::ServiceDisconnect => CtlError::Closed {
                place: self.place.clone(),
            },
            other => self.not_a_node(&other.to_string()),
        }
    }

    fn transport(&self, error: &(dyn std::error::Error + 'static)) -> CtlError {
        if let Some(HttpError::Rejected { status_code }) = error.downcast_ref() {
            return self.rejected(*status_code);
        }
        if let Some(WsHandshakeError::Rejected { status_code }) = error.downcast_ref() {
            return self.rejected(*status_code);
        }
        match error.downcast_ref() {
            Some(HttpError::RequestTooLarge) => {
                return CtlError::usage("the parameters are too large for a call");
            }
            Some(HttpError::Http(error @ (BodyError::TooLarge | BodyError::Malformed))) => {
                return self.not_a_node(&error.to_string());
            }
            Some(HttpError::Http(BodyError::Stream(error))) => {
                if let Some(error) = error.downcast_ref() {
                    return self.not_connected(error);
                }
            }
            _ => {}
        }
        CtlError::NoNode {
            place: self.place.clone(),
            file: self.file.clone(),
        }
    }

    /// Classifies the failure to connect.
    pub(crate) fn not_connected(&self, error: &io::Error) -> CtlError {
        let (place, file) = (self.place.clone(), self.file.clone());
        let refused = error.get_ref().and_then(|error| error.downcast_ref());
        match refused {
            Some(NotRunning) => CtlError::NotRunning { place, file },
            None => CtlError::NoNode { place, file },
        }
    }

    fn rejected(&self, status: u16) -> CtlError {
        match status {
            401 | 403 => CtlError::NotAuthorised {
                place: self.place.clone(),
                shown: self.shown.clone(),
            },
            _ => CtlError::failed(format!(
                "the node at {} refused the call with HTTP status {status}; try again later",
                self.place
            )),
        }
    }

    fn not_a_node(&self, reason: &str) -> CtlError {
        CtlError::NotANode {
            place: self.place.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// Classifies a JSON-RPC error that the node answered with.
fn answered(error: &jsonrpsee::types::ErrorObject<'_>) -> CtlError {
    let message = error.message();
    let detail = error.data().map(|data| data.get().trim_matches('"'));
    match (ErrorCode::from_number(error.code()), error.code()) {
        (Some(code), _) => ApiError {
            reason: error.data().and_then(reason),
            ..ApiError::new(code, message)
        }
        .into(),
        (None, METHOD_NOT_FOUND_CODE) => {
            CtlError::usage("the node has no such method; `ctl call rpc.discover` lists them all")
        }
        (None, INVALID_PARAMS_CODE) => CtlError::usage(format!(
            "the node does not accept these parameters: {}",
            detail.unwrap_or(message)
        )),
        (None, number) => {
            CtlError::failed(format!("the node failed with code {number}: {message}"))
        }
    }
}

/// Returns the meaning of an error of the node beyond its code, as far as this program knows it.
fn reason(data: &RawValue) -> Option<ErrorReason> {
    let data: Value = serde_json::from_str(data.get()).ok()?;
    serde_json::from_value(data.get("reason")?.clone()).ok()
}

fn code_of_io(error: &io::Error) -> ErrorCode {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorCode::NotFound,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorCode::NoSpace
        }
        io::ErrorKind::AlreadyExists => ErrorCode::Exists,
        _ => ErrorCode::Failed,
    }
}

/// Returns names the file that the place is from, if it is not that file itself.
fn from(place: &Place, file: &Path) -> String {
    match place {
        Place::Socket(_) => String::new(),
        Place::Port(_) => format!(" (from {})", file.display()),
    }
}

fn state(control_file: &Path) -> String {
    let state = control_file.parent().unwrap_or(Path::new("."));
    state.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callee() -> Callee {
        Callee {
            place: Place::Port(([127, 0, 0, 1], 4243).into()),
            file: PathBuf::from("/state/control"),
            shown: ShownRight::Secret("/state/secret".into()),
        }
    }

    #[test]
    fn a_rejected_call_is_about_the_secret() {
        for error in [
            ClientError::Transport(HttpError::Rejected { status_code: 401 }.into()),
            ClientError::Transport(WsHandshakeError::Rejected { status_code: 401 }.into()),
        ] {
            let error = callee().classify(error);
            assert_eq!(error.exit_code(), 24, "{error}");
            assert!(error.to_string().contains("/state/secret"), "{error}");
        }
    }

    #[test]
    fn no_connection_says_how_to_start_a_node() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = callee().classify(ClientError::Transport(refused.into()));
        assert_eq!(error.exit_code(), 6);
        assert_eq!(
            error.to_string(),
            "no node answers at 127.0.0.1:4243 (from /state/control); start one with `noded --share DIR` or `ctl up --share DIR`"
        );
    }

    #[test]
    fn an_error_of_the_node_keeps_its_code() {
        for code in node_api::error::ALL {
            let error = ClientError::Call(ApiError::new(code, "it happened").into());
            assert_eq!(callee().classify(error).code(), code);
        }
    }

    #[test]
    fn a_full_disk_exits_with_9() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(CtlError::file("write", Path::new("x"), full).exit_code(), 9);
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_says_nothing() {
        let error = CtlError::output(io::ErrorKind::BrokenPipe.into());
        assert_eq!((error.exit_code(), error.line()), (0, None));
    }

    #[test]
    fn what_strangers_wrote_is_escaped() {
        let error = CtlError::failed("evil\u{1b}[2J\nname");
        assert_eq!(error.line().unwrap(), r"ctl: evil\u{1b}[2J\u{a}name");
    }

    #[test]
    fn json_has_code_exit_and_message() {
        let value = CtlError::not_found("no file x").json().unwrap();
        let expected =
            json!({ "error": { "code": "not_found", "exit": 3, "message": "no file x" } });
        assert_eq!(value, expected);
    }
}
