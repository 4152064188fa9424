//! The report of an error in a script, as one line: `FILE:LINE:COLUMN in FUNCTION: MESSAGE`.
//!
//! The position is where the innermost error arose, the function the one it arose in. The exit code is that of the
//! error that was thrown: by a verb, or by the script itself with `throw #{code: "not_found", message: "…"}`.

use node_api::error::{ALL, ErrorCode};
use rhai::{Dynamic, EvalAltResult, Position};

use super::session::Session;
use crate::error::CtlError;

/// Classifies the error that ended a script. `label` names the script.
pub(super) fn explain(label: &str, session: &Session, error: &EvalAltResult) -> CtlError {
    if let EvalAltResult::ErrorTerminated(..) = error.unwrap_inner()
        && let Some(stop) = session.take_stop()
    {
        return stop;
    }
    let place = Place::of(error);
    let (code, message) = meaning(error);
    CtlError::Script {
        code,
        text: format!("{label}{place}: {message}"),
    }
}

/// The place where an error arose.
struct Place {
    position: Position,
    function: Option<String>,
}

impl Place {
    fn of(error: &EvalAltResult) -> Place {
        let mut place = Place {
            position: error.position(),
            function: None,
        };
        let mut error = error;
        while let EvalAltResult::ErrorInFunctionCall(name, _, inner, _) = error {
            if !name.starts_with("anon$") {
                place.function = Some(name.clone());
            }
            error = inner;
            if !error.position().is_none() {
                place.position = error.position();
            }
        }
        place
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(line) = self.position.line() {
            write!(f, ":{line}:{}", self.position.position().unwrap_or(1))?;
        }
        match &self.function {
            Some(function) => write!(f, " in {function}"),
            None => Ok(()),
        }
    }
}

fn meaning(error: &EvalAltResult) -> (ErrorCode, String) {
    match error.unwrap_inner() {
        EvalAltResult::ErrorRuntime(value, _) => thrown(value),
        EvalAltResult::ErrorTooManyOperations(_) => (
            ErrorCode::Failed,
            "the script did more operations than --max-operations allows".into(),
        ),
        EvalAltResult::ErrorParsing(kind, _) => (ErrorCode::Failed, kind.to_string()),
        other => (ErrorCode::Failed, without_position(other)),
    }
}

/// Returns the code and the message that a verb or a script threw.
fn thrown(value: &Dynamic) -> (ErrorCode, String) {
    let Some(map) = value.read_lock::<rhai::Map>() else {
        let text = if value.is_unit() {
            "failed".to_owned()
        } else {
            value.to_string()
        };
        return (ErrorCode::Failed, text);
    };
    let code = map.get("code").and_then(code).unwrap_or(ErrorCode::Failed);
    let message = map
        .get("message")
        .map_or_else(|| value.to_string(), Dynamic::to_string);
    (code, message)
}

/// Returns the code with this name or exit code.
fn code(value: &Dynamic) -> Option<ErrorCode> {
    let named = |code: &ErrorCode| {
        value
            .as_int()
            .is_ok_and(|number| number == i64::from(code.exit_code()))
            || value
                .as_immutable_string_ref()
                .is_ok_and(|name| *name == code.name())
    };
    ALL.into_iter().find(named)
}

/// Returns the text of rhai without its ` (line 1, position 2)`.
fn without_position(error: &EvalAltResult) -> String {
    let text = error.to_string();
    let suffix = format!(" ({})", error.position());
    let text = text.strip_suffix(&suffix).unwrap_or(&text);
    text.replace(super::calling::CALL, "call")
}
