//! Calls whose ids jsonrpsee does not read.
//!
//! JSON-RPC allows any string and number as an id. jsonrpsee reads strings and whole
//! numbers from 0 to 2^64-1, and takes a call with another id for a notification: it is
//! not made and not answered. So such calls are taken out before, and answered with the
//! error -32600 and their id.
//!
//! Non-goals: calls over a WebSocket, which jsonrpsee reads from the socket itself.
//!
//! # Invariants
//! - What jsonrpsee can read, or refuses itself, it gets unchanged.

use std::collections::HashMap;

use hyper::body::Bytes;
use serde_json::{json, value::RawValue};

/// The JSON-RPC error for a request that is none.
const INVALID_REQUEST: i32 = -32600;

/// A body of a request with what is not for jsonrpsee taken out.
#[derive(Debug)]
pub(super) struct Sorted {
    /// What jsonrpsee is to read, if anything.
    pub(super) rest: Option<Bytes>,
    /// Answers to the calls that were taken out.
    pub(super) refused: Vec<String>,
    /// Whether the request is a batch.
    is_batch: bool,
}

impl Sorted {
    /// Sorts the calls of a request.
    pub(super) fn of(body: Bytes) -> Sorted {
        if let Some(refused) = refusal(&body) {
            return Sorted {
                rest: None,
                refused: vec![refused],
                is_batch: false,
            };
        }
        let unchanged = |body| Sorted {
            rest: Some(body),
            refused: Vec::new(),
            is_batch: false,
        };
        let Ok(calls) = serde_json::from_slice::<Vec<&RawValue>>(&body) else {
            return unchanged(body);
        };
        let refusal_of = |call: &&RawValue| refusal(call.get().as_bytes());
        let refused: Vec<String> = calls.iter().filter_map(refusal_of).collect();
        if refused.is_empty() {
            return unchanged(body);
        }
        let rest: Vec<&RawValue> = calls
            .into_iter()
            .filter(|call| refusal_of(call).is_none())
            .collect();
        let rest = (!rest.is_empty())
            .then(|| serde_json::to_vec(&rest).ok())
            .flatten();
        Sorted {
            rest: rest.map(Bytes::from),
            refused,
            is_batch: true,
        }
    }

    /// The answer, with what jsonrpsee answered to the rest.
    pub(super) fn answer(self, rest: Option<&[u8]>) -> Vec<u8> {
        let rest = rest.and_then(|rest| serde_json::from_slice::<Vec<&RawValue>>(rest).ok());
        let rest = rest.unwrap_or_default();
        let answered = rest.iter().map(|answer| answer.get());
        let refused = self.refused.iter().map(String::as_str);
        let all = answered.chain(refused).collect::<Vec<_>>().join(",");
        let all = if self.is_batch {
            format!("[{all}]")
        } else {
            all
        };
        all.into_bytes()
    }
}

/// The answer to a call whose id jsonrpsee does not read.
fn refusal(call: &[u8]) -> Option<String> {
    let members: HashMap<String, &RawValue> = serde_json::from_slice(call).ok()?;
    let id = members.get("id")?.get();
    let is_read = id == "null" || id.starts_with('"') || id.parse::<u64>().is_ok();
    if is_read {
        return None;
    }
    let text = "the id must be a string or a whole number from 0 to 18446744073709551615";
    let error = json!({ "code": INVALID_REQUEST, "message": text });
    // As it was written: a number of this program may be another one.
    Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(request: &str, rest: Option<&str>) -> String {
        let sorted = Sorted::of(Bytes::from(request.to_owned()));
        String::from_utf8(sorted.answer(rest.map(str::as_bytes))).unwrap()
    }

    #[test]
    fn a_call_with_an_odd_id_is_answered_with_that_id() {
        for id in [
            "-1",
            "1.5",
            "18446744073709551616",
            "1e3",
            "true",
            "[1]",
            "{\"a\":1}",
        ] {
            let request = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"node.status"}}"#);
            let answer = answer(&request, None);
            assert!(answer.contains(&format!("\"id\":{id},")), "{answer}");
            assert!(answer.contains("-32600"), "{answer}");
        }
    }

    #[test]
    fn other_requests_are_left_alone() {
        for request in [
            r#"{"jsonrpc":"2.0","id":1,"method":"node.status"}"#,
            r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":"-1","method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","method":"m"}"#,
            r#"[{"jsonrpc":"2.0","id":1,"method":"m"}]"#,
            "[]",
            "nonsense",
            "",
        ] {
            let sorted = Sorted::of(Bytes::from(request));
            assert_eq!(sorted.rest.as_deref(), Some(request.as_bytes()));
            assert!(sorted.refused.is_empty(), "{request}");
        }
    }

    #[test]
    fn the_others_of_a_batch_are_made() {
        let request =
            r#"[{"jsonrpc":"2.0","id":-1,"method":"a"},{"jsonrpc":"2.0","id":2,"method":"b"}]"#;
        let sorted = Sorted::of(Bytes::from(request));
        let rest = r#"[{"jsonrpc":"2.0","id":2,"method":"b"}]"#;
        assert_eq!(sorted.rest.as_deref(), Some(rest.as_bytes()));
        let answer = answer(request, Some(r#"[{"jsonrpc":"2.0","id":2,"result":true}]"#));
        assert!(
            answer.starts_with(r#"[{"jsonrpc":"2.0","id":2,"result":true},"#),
            "{answer}"
        );
        assert!(
            answer.contains(r#""id":-1,"#) && answer.ends_with(']'),
            "{answer}"
        );
    }
}
