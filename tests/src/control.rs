//! The control port, spoken by hand: JSON-RPC 2.0 over HTTP.

use serde_json::{Value, json};

use crate::http::{self, Answer};

/// A control port and the secret for it.
#[derive(Debug, Clone)]
pub struct Control {
    /// `http://ADDRESS:PORT/`.
    pub url: String,
    secret: String,
}

/// An error object of JSON-RPC.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlError {
    /// Its code.
    pub code: i64,
    /// Its message.
    pub message: String,
}

impl Control {
    /// Creates the port at an address.
    pub fn new(address: &str, secret: &str) -> Control {
        Control {
            url: format!("http://{address}/"),
            secret: secret.to_owned(),
        }
    }

    /// Returns the header that opens it.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.secret)
    }

    /// Posts a body with the secret and more headers.
    ///
    /// # Errors
    /// Errors if there is no answer.
    pub fn post(&self, body: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        let authorization = self.authorization();
        let mut all = vec![("Authorization", authorization.as_str())];
        all.extend_from_slice(headers);
        self.post_bare(body, &all)
    }

    /// Posts a body with these headers only.
    ///
    /// # Errors
    /// Errors if there is no answer.
    pub fn post_bare(&self, body: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        let mut all = vec![("Content-Type", "application/json")];
        all.extend_from_slice(headers);
        http::request(&self.url, "POST", "/", &all, body.as_bytes())
    }

    /// Calls a method with named parameters.
    ///
    /// # Errors
    /// The error object of the answer.
    ///
    /// # Panics
    /// Panics if there is no answer, or it is not one of JSON-RPC.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write json!(…) in place"
    )]
    pub fn call(&self, method: &str, params: Value) -> Result<Value, ControlError> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self
            .post(&request.to_string(), &[])
            .unwrap_or_else(|e| panic!("{method} at {}: {e}", self.url));
        let text = answer.text();
        let value: Value = serde_json::from_str(&text)
            .unwrap_or_else(|e| panic!("{method}: status {}, {e}: {text}", answer.status));
        match (value.get("result"), value.get("error")) {
            (Some(result), None) => Ok(result.clone()),
            (None, Some(error)) => Err(ControlError {
                code: error["code"].as_i64().unwrap_or_default(),
                message: error["message"].as_str().unwrap_or_default().to_owned(),
            }),
            _ => panic!("{method}: neither result nor error: {text}"),
        }
    }

    /// Calls a method that has to succeed.
    ///
    /// # Panics
    /// When it does not.
    pub fn must(&self, method: &str, params: Value) -> Value {
        self.call(method, params)
            .unwrap_or_else(|e| panic!("{method}: {} {}", e.code, e.message))
    }
}
