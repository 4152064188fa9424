//! The way to a node: where it listens, the secret, and the calls.
//!
//! A node writes the address of its control connection to `STATE/control` and its secret to `STATE/secret`. So
//! everything here needs is the state directory. The secret may also come from `SIXHOP_SECRET_FILE` or
//! `SIXHOP_SECRET`, in this order, for a controller that runs as somebody else.
//!
//! Absent on purpose: a secret as argument, which every other user could read in the list of processes.
//!
//! # Invariants
//! - The secret goes to loopback addresses only, and nowhere but into the `Authorization` header.
//! - A secret file that others can read is refused.

mod address;
mod calls;
mod search;
mod secret;

use std::{net::SocketAddr, path::Path, time::Duration};

use jsonrpsee_http_client::{HeaderMap, HeaderValue, HttpClient};
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Callee, CtlError};

pub(crate) use address::{STATE_VARIABLE, default_state};
pub(crate) use calls::{Existing, Folder, Stopped, content, is_peer};
pub(crate) use search::SearchStream;

/// Longest wait for the answer to one call. Calls that take long answer in pieces.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest wait for a connection; the node is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A node that was found. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    http: HttpClient,
    headers: HeaderMap,
    callee: Callee,
}

impl Connection {
    /// Finds the node whose state is in this directory. Nothing is sent yet.
    pub(crate) fn find(state: &Path) -> Result<Connection, CtlError> {
        let (address, file) = address::read(state)?;
        let secret = secret::find(state)?;
        let callee = Callee {
            address,
            file,
            source_of_secret: secret.source,
        };
        Connection::new(callee, &secret.value)
    }

    fn new(callee: Callee, secret: &SecretString) -> Result<Connection, CtlError> {
        let bearer = authorization(secret)
            .ok_or_else(|| CtlError::BadSecret(callee.source_of_secret.clone()))?;
        let mut headers = HeaderMap::new();
        headers.insert("authorization", bearer);
        let http = HttpClient::builder()
            .set_headers(headers.clone())
            .request_timeout(CALL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build(format!("http://{}", callee.address))
            .map_err(|error| callee.classify(error))?;
        Ok(Connection {
            http,
            headers,
            callee,
        })
    }

    /// Where the node listens for controllers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.callee.address
    }

    /// A connection over WebSocket, for what the node sends by itself.
    pub(crate) async fn web_socket(&self) -> Result<WsClient, CtlError> {
        WsClientBuilder::new()
            .set_headers(self.headers.clone())
            .request_timeout(CALL_TIMEOUT)
            .connection_timeout(CONNECT_TIMEOUT)
            .build(format!("ws://{}", self.callee.address))
            .await
            .map_err(|error| self.callee.classify(error))
    }
}

/// The value of the header, marked so that nothing shows it.
fn authorization(secret: &SecretString) -> Option<HeaderValue> {
    let bearer = SecretString::from(format!("Bearer {}", secret.expose_secret()));
    let mut value = HeaderValue::from_str(bearer.expose_secret()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_never_shown() {
        let callee = Callee {
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            file: "control".into(),
            source_of_secret: "secret".into(),
        };
        let connection = Connection::new(callee, &SecretString::from("hush-hush")).unwrap();
        assert!(!format!("{connection:?}").contains("hush"));
    }
}
