//! Ids of calls that jsonrpsee does not read.
//!
//! JSON-RPC allows any string and number as an id. jsonrpsee reads strings and whole
//! numbers from 0 to 2^64-1, and takes a call with another id for a notification: it is
//! not made and not answered. So such an id becomes a string on its way to jsonrpsee,
//! and the caller gets its answer with the id as it was written.
//!
//! # Invariants
//! - Whatever has an id is answered with that id: a number by its result, and what
//!   cannot be an id by the error -32600.
//! - What jsonrpsee can read, or refuses itself, it gets unchanged.
//! - No caller knows the mark of the strings, so none of its own ids is taken for one.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json, value::RawValue};

/// The JSON-RPC error for an invalid request.
const INVALID_REQUEST: i32 = -32600;

/// Length of the random part of the mark, in bytes.
const RANDOM: usize = 16;

/// Kinds of ids: those of calls that are made, and invalid ones.
const MADE: char = 'm';
const REFUSED: char = 'r';

/// Gives ids a form that jsonrpsee reads, and gives them back.
#[derive(Clone)]
pub(super) struct Ids {
    /// The start of the ids of ours.
    mark: Arc<str>,
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ids(..)")
    }
}

impl Ids {
    /// Makes a mark that nobody guesses.
    ///
    /// # Errors
    /// Errors if the system has no random numbers.
    pub(super) fn new() -> Result<Ids, getrandom::Error> {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random)?;
        let mark: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Ids { mark: mark.into() })
    }

    /// Returns the request as jsonrpsee is to read it; nothing if it reads it as it is.
    pub(super) fn disguise(&self, request: &[u8]) -> Option<Vec<u8>> {
        if let Ok(calls) = serde_json::from_slice::<Vec<&RawValue>>(request) {
            return changed(&calls, |call| self.disguise_one(call.get()));
        }
        let request = std::str::from_utf8(request).ok()?;
        self.disguise_one(request).map(String::into_bytes)
    }

    fn disguise_one(&self, call: &str) -> Option<String> {
        let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(call).ok()?;
        let id = members.remove("id")?.get();
        let is_read = id == "null" || id.starts_with('"') || id.parse::<u64>().is_ok();
        if is_read {
            return None;
        }
        let is_number = id.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        if !is_number {
            // It is answered, and nothing is done.
            members.clear();
        }
        let kind = if is_number { MADE } else { REFUSED };
        let ours = Value::String(format!("{}{kind}{id}", self.mark));
        let others = members.iter().map(|(name, value)| {
            let name = Value::String(name.clone());
            format!(",{name}:{value}")
        });
        Some(format!("{{\"id\":{ours}{}}}", others.collect::<String>()))
    }

    /// Returns the answer with the ids as they were written; nothing if no id of ours is in it.
    pub(super) fn restore(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let answer = std::str::from_utf8(answer).ok()?;
        if !answer.contains(&*self.mark) {
            return None;
        }
        if let Ok(answers) = serde_json::from_str::<Vec<&RawValue>>(answer) {
            return changed(&answers, |answer| self.restore_one(answer.get()));
        }
        self.restore_one(answer).map(String::into_bytes)
    }

    fn restore_one(&self, answer: &str) -> Option<String> {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(answer).ok()?;
        let id: String = serde_json::from_str(members.get("id")?.get()).ok()?;
        let ours = id.strip_prefix(&*self.mark)?;
        if let Some(id) = ours.strip_prefix(REFUSED) {
            let text = "the id must be a string or a number";
            let error = json!({ "code": INVALID_REQUEST, "message": text });
            return Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
        }
        let id = ours.strip_prefix(MADE)?;
        let (name, value) = members
            .iter()
            .find(|(name, _)| matches!(&***name, "result" | "error"))?;
        Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"{name}":{value}}}"#))
    }
}

/// Returns a batch of which some parts were changed; nothing if none was.
fn changed(parts: &[&RawValue], change: impl Fn(&RawValue) -> Option<String>) -> Option<Vec<u8>> {
    let changes: Vec<Option<String>> = parts.iter().map(|part| change(part)).collect();
    if changes.iter().all(Option::is_none) {
        return None;
    }
    let all = parts.iter().zip(&changes);
    let all: Vec<&str> = all
        .map(|(part, change)| change.as_deref().unwrap_or(part.get()))
        .collect();
    Some(format!("[{}]", all.join(",")).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disguised(ids: &Ids, request: &str) -> Option<Value> {
        let bytes = ids.disguise(request.as_bytes())?;
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    fn restored(ids: &Ids, answer: &Value) -> Option<String> {
        let bytes = ids.restore(answer.to_string().as_bytes())?;
        Some(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_number_comes_back_as_it_was_written() {
        let ids = Ids::new().unwrap();
        for id in ["-1", "1.5", "18446744073709551616", "1e3", "-0.0"] {
            let request =
                format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m","params":{{"a":1.50}}}}"#);
            let call = disguised(&ids, &request).unwrap();
            assert_eq!(
                (&call["method"], &call["jsonrpc"]),
                (&json!("m"), &json!("2.0"))
            );
            assert!(call["id"].is_string(), "{call}");
            let answer = json!({ "jsonrpc": "2.0", "id": call["id"], "result": [1, { "id": 2 }] });
            assert_eq!(
                restored(&ids, &answer).unwrap(),
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":[1,{{"id":2}}]}}"#)
            );
            let answer = json!({ "jsonrpc": "2.0", "id": call["id"], "error": { "code": 1 } });
            assert!(
                restored(&ids, &answer)
                    .unwrap()
                    .contains(&format!("\"id\":{id},\"error\""))
            );
        }
    }

    #[test]
    fn what_is_no_id_is_refused_with_what_it_was() {
        let ids = Ids::new().unwrap();
        for id in ["true", "false", "[1,\"a\"]", "{\"a\":\"\\u00e9\"}"] {
            let request = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"node.stop"}}"#);
            let call = disguised(&ids, &request).unwrap();
            assert_eq!(call["method"], Value::Null, "nothing is done");
            let answer = json!({ "jsonrpc": "2.0", "id": call["id"], "error": { "code": -32600, "message": "?" } });
            let answer = restored(&ids, &answer).unwrap();
            assert!(
                answer.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"#)),
                "{answer}"
            );
            assert!(
                answer.contains("-32600") && answer.contains("string or a number"),
                "{answer}"
            );
        }
    }

    #[test]
    fn other_requests_and_answers_are_left_alone() {
        let ids = Ids::new().unwrap();
        for request in [
            r#"{"jsonrpc":"2.0","id":1,"method":"node.status"}"#,
            r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":"-1","method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","method":"m"}"#,
            r#"[{"jsonrpc":"2.0","id":1,"method":"m"}]"#,
            "[]",
            "1",
            "nonsense",
            "\u{fffd}",
            "",
        ] {
            assert_eq!(disguised(&ids, request), None, "{request}");
            assert_eq!(ids.restore(request.as_bytes()), None, "{request}");
        }
        assert_eq!(ids.disguise(b"\xff"), None);
    }

    #[test]
    fn the_calls_of_a_batch_keep_their_order() {
        let ids = Ids::new().unwrap();
        let request = r#"[{"id":-1,"method":"a"},{"id":2,"method":"b"},1,{"id":[],"method":"c"}]"#;
        let batch = disguised(&ids, request).unwrap();
        assert_eq!(batch[1], json!({ "id": 2, "method": "b" }));
        assert_eq!(batch[2], 1);
        let answer = json!([
            { "jsonrpc": "2.0", "id": batch[0]["id"], "result": true },
            { "jsonrpc": "2.0", "id": 2, "result": true },
            { "jsonrpc": "2.0", "id": batch[3]["id"], "error": {} },
        ]);
        let answer: Value = serde_json::from_str(&restored(&ids, &answer).unwrap()).unwrap();
        assert_eq!(
            (&answer[0]["id"], &answer[1]["id"]),
            (&json!(-1), &json!(2))
        );
        assert_eq!(answer[2]["error"]["code"], INVALID_REQUEST);
    }
}
