//! `system.multicall`: several calls in one.
//!
//! One request may cause no more than a bounded number of calls, so entries
//! are counted, may not nest, may not introduce peers or try secrets, and may not wait for long.

use crate::fault::Fault;
use crate::limits::{METHOD_NAME_MAX, MULTICALL_MAX};
use crate::methods::{FETCH, HELLO, MULTICALL, WATCH};
use crate::request::MethodCall;
use crate::value::Value;

/// The entries of a `system.multicall`, in order. An entry that is not a call,
/// or one that may not be here, is a fault; the others are still made.
#[derive(Clone, Debug, PartialEq)]
pub struct Multicall {
    /// At most [`MULTICALL_MAX`].
    pub entries: Vec<Result<MethodCall, Fault>>,
}

impl Multicall {
    /// Reads the parameters of a call.
    ///
    /// # Errors
    /// Fault -32602 if this is not one array or has too many entries.
    pub fn from_params(params: &[Value]) -> Result<Self, Fault> {
        let [Value::Array(entries)] = params else {
            let message = "system.multicall takes one array of calls";
            return Err(Fault::invalid_params(message));
        };
        if entries.len() > MULTICALL_MAX {
            let message = format!("system.multicall takes at most {MULTICALL_MAX} calls");
            return Err(Fault::invalid_params(&message));
        }
        let entries = entries.iter().map(read_entry).collect();
        Ok(Self { entries })
    }
}

fn read_entry(entry: &Value) -> Result<MethodCall, Fault> {
    let (Some(Value::String(method)), Some(Value::Array(params))) =
        (entry.get("methodName"), entry.get("params"))
    else {
        let message = "An entry of system.multicall is a struct of methodName and params";
        return Err(Fault::invalid_params(message));
    };
    if method.len() > METHOD_NAME_MAX {
        return Err(Fault::method_not_found(method));
    }
    if matches!(method.as_str(), MULTICALL | FETCH | HELLO | WATCH) {
        let message = format!("{method} may not be called inside system.multicall");
        return Err(Fault::invalid_request(&message));
    }
    Ok(MethodCall {
        method: method.clone(),
        params: params.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND};

    fn entry(method: &str) -> Value {
        let members = [
            ("methodName".to_owned(), Value::from(method)),
            ("params".to_owned(), Value::Array(vec!["a".into()])),
        ];
        Value::Struct(members.into())
    }

    #[test]
    fn a_bad_entry_spoils_only_itself() {
        let long = "m".repeat(METHOD_NAME_MAX + 1);
        let entries = vec![
            entry("query"),
            entry("system.multicall"),
            entry("fetch"),
            entry("hello"),
            Value::Int(1),
            entry(&long),
        ];
        let multicall = Multicall::from_params(&[Value::Array(entries)]).unwrap();
        let code = |entry: &Result<MethodCall, Fault>| entry.as_ref().err().map(|f| f.code);
        let codes: Vec<_> = multicall.entries.iter().map(code).collect();
        let refused = Some(INVALID_REQUEST);
        let rest = [Some(INVALID_PARAMS), Some(METHOD_NOT_FOUND)];
        assert_eq!(codes[..4], [None, refused, refused, refused]);
        assert_eq!(codes[4..], rest);
    }

    #[test]
    fn seventeen_calls_are_too_many() {
        let calls = |count| vec![Value::Array(vec![entry("query"); count])];
        assert!(Multicall::from_params(&calls(MULTICALL_MAX)).is_ok());
        let fault = Multicall::from_params(&calls(MULTICALL_MAX + 1)).unwrap_err();
        assert_eq!(fault.code, INVALID_PARAMS);
    }
}
