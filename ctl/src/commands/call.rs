//! `ctl call`: calls any method of the control connection.

use serde_json::{Map, Value};

use super::Context;
use crate::{cli::CallArgs, error::CtlError};

/// Runs the command.
pub(crate) async fn run(args: CallArgs, context: &Context) -> Result<(), CtlError> {
    let params = named(args.params.as_deref().unwrap_or("{}"))?;
    let node = context.connect()?;
    let answer = node.call(&args.method, &params);
    let result = context.patience.bound(answer).await?;
    context.output.json_for_reading(&result)
}

/// Reads parameters: a JSON object.
fn named(text: &str) -> Result<Map<String, Value>, CtlError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(params)) => Ok(params),
        Ok(_) => Err(CtlError::usage(
            "parameters have names: give a JSON object, such as '{\"name\": \"a.txt\"}'",
        )),
        Err(error) => Err(CtlError::usage(format!(
            "the parameters are not JSON: {error}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_an_object() {
        assert_eq!(named(r#"{"a": 1}"#).unwrap().len(), 1);
        for text in ["[1]", "1", "null", "\"a\"", "{", ""] {
            assert_eq!(named(text).unwrap_err().exit_code(), 2, "{text}");
        }
    }
}
