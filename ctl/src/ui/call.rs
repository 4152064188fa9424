//! The calls that the page may make to the node: a list, not a passage.
//!
//! Absent on purpose: `node.stop`, `rpc.discover`, and whatever the node learns to do later. A method is added here when the
//! page has a use for it.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::link::NodeLink;
use crate::error::CtlError;

/// The methods that the page calls, and their parameters.
const ALLOWED: &[(&str, &[&str])] = &[
    ("cache.clear", &[]),
    ("cache.list", &[]),
    ("fetch.cancel", &["id", "everybody"]),
    ("fetch.list", &[]),
    ("fetch.start", &["name", "replace", "digest"]),
    ("node.status", &[]),
    ("peer.add", &["url"]),
    ("peer.files", &["url", "limit"]),
    ("peer.list", &[]),
    ("peer.remove", &["url"]),
    ("plugin.list", &[]),
    ("share.browse", &["folder", "after", "limit"]),
    ("share.stat", &["name"]),
];

/// A call as the page sends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    method: String,
    #[serde(default)]
    params: Map<String, Value>,
}

impl Call {
    /// Makes the call, if the page may.
    pub(super) async fn make(self, node: &NodeLink) -> Result<Value, CtlError> {
        if !self.is_allowed() {
            return Err(CtlError::usage("the page may not ask this"));
        }
        node.call(&self.method, &self.params).await
    }

    fn is_allowed(&self) -> bool {
        let entry = ALLOWED.iter().find(|(method, _)| *method == self.method);
        entry.is_some_and(|(_, params)| self.params.keys().all(|name| params.contains(&&**name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(text: &str) -> bool {
        serde_json::from_str::<Call>(text).is_ok_and(|call| call.is_allowed())
    }

    #[test]
    fn only_what_is_on_the_list_passes() {
        assert!(is_allowed(r#"{"method":"node.status"}"#));
        assert!(is_allowed(
            r#"{"method":"fetch.start","params":{"name":"a","digest":null}}"#
        ));
        for text in [
            r#"{"method":"node.stop"}"#,
            r#"{"method":"rpc.discover"}"#,
            r#"{"method":"Node.Status"}"#,
            r#"{"method":"node.status","params":{"x":1}}"#,
            r#"{"method":"node.status","params":[]}"#,
            r#"{"method":"node.status","id":1}"#,
            r#"[{"method":"node.status"}]"#,
        ] {
            assert!(!is_allowed(text), "{text}");
        }
    }

    #[test]
    fn the_node_has_every_method_of_the_list() {
        let names = node_api::openrpc::method_names();
        for (method, _) in ALLOWED {
            assert!(names.contains(method), "{method}");
        }
    }
}
