//! The way to a node: where it listens, the secret, and the calls.
//!
//! A node listens at `STATE/control.sock`, writes the address of its control port to `STATE/control` and its secret to
//! `STATE/secret`. So everything here needs is the state directory. The secret may also come from `SIXHOP_SECRET_FILE` or
//! `SIXHOP_SECRET`, in this order, for a controller that runs as somebody else. A token, if there is one, is shown instead.
//!
//! Absent on purpose: a secret as argument, which every other user could read in the list of processes.
//!
//! # Invariants
//! - The secret or the token goes to the socket of the node, or to the port of the loopback that the running node has, and nowhere
//!   but into the `Authorization` header.
//! - A state directory or a secret that others own or have permissions on is refused.

mod address;
mod calls;
mod channel;
mod search;
mod secret;
mod watch;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jsonrpsee_http_client::{
    HeaderMap, HeaderValue, HttpClient, HttpClientBuilder, RpcLogger, RpcService,
};
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};
use node_base::{
    secret::BadSecret,
    state::private::{NotPrivate, check_directory},
};
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Callee, CtlError};

pub(crate) use address::{STATE_VARIABLE, default_state};
pub(crate) use calls::{Existing, Folder, NewLink, PEER_FILES_MAX, Stopped, content, is_peer};
use channel::Channel;
pub(crate) use channel::{NotRunning, Place};
pub(crate) use search::SearchStream;
pub(crate) use secret::ShownRight;

/// Longest wait for the answer to one call. Calls that take long answer in pieces.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// The URL of a node behind its channel, which needs none.
const URL: &str = "http://localhost/";

/// A node that was found. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    http: HttpClient<RpcLogger<RpcService<Channel>>>,
    channel: Channel,
    headers: HeaderMap,
    callee: Arc<Callee>,
}

/// The node to talk to, and the right to show there.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// The state directory of the node.
    pub(crate) state: PathBuf,
    /// The file with a token, which is shown instead of the secret.
    pub(crate) token_file: Option<PathBuf>,
}

impl Login {
    /// Returns the login of the owner of the node with this state directory.
    #[cfg(feature = "embedded")]
    pub(crate) fn owner(state: &Path) -> Login {
        Login {
            state: state.to_owned(),
            token_file: None,
        }
    }
}

impl Connection {
    /// Finds the node of a login. Nothing is sent yet.
    pub(crate) fn find(login: &Login) -> Result<Connection, CtlError> {
        let (channel, file) = Channel::find(&login.state)?;
        check_state(&login.state)?;
        let (value, shown) = match &login.token_file {
            Some(file) => (secret::token(file)?, ShownRight::Token(file.clone())),
            None => {
                let secret = secret::find(&login.state)?;
                (secret.value, ShownRight::Secret(secret.source))
            }
        };
        let callee = Callee {
            place: channel.place().clone(),
            file,
            shown,
        };
        Connection::new(channel, callee, &value)
    }

    fn new(
        channel: Channel,
        callee: Callee,
        secret: &SecretString,
    ) -> Result<Connection, CtlError> {
        let bearer = authorization(secret)
            .ok_or_else(|| CtlError::BadSecret(callee.shown.to_string(), BadSecret::Line))?;
        let mut headers = HeaderMap::new();
        headers.insert("authorization", bearer);
        let backend = channel.clone();
        let middleware =
            tower::ServiceBuilder::new().layer(tower::layer::layer_fn(move |_| backend.clone()));
        let http = HttpClientBuilder::default()
            .set_headers(headers.clone())
            .request_timeout(CALL_TIMEOUT)
            .set_http_middleware(middleware)
            .build(URL)
            .map_err(|error| callee.classify(error))?;
        Ok(Connection {
            http,
            channel,
            headers,
            callee: Arc::new(callee),
        })
    }

    /// Returns the place where the node listens for controllers.
    pub(crate) fn place(&self) -> Place {
        self.callee.place.clone()
    }

    fn http(&self) -> &HttpClient<RpcLogger<RpcService<Channel>>> {
        &self.http
    }

    /// Opens a connection over WebSocket, for messages that the node sends by itself.
    pub(crate) async fn web_socket(&self) -> Result<WsClient, CtlError> {
        let stream = self.channel.connect().await;
        let stream = stream.map_err(|error| self.callee.not_connected(&error))?;
        WsClientBuilder::new()
            .set_headers(self.headers.clone())
            .request_timeout(CALL_TIMEOUT)
            .build_with_stream("ws://localhost/", stream)
            .await
            .map_err(|error| self.callee.classify(error))
    }
}

/// Checks that nobody else can read or change the files of a state directory.
fn check_state(state: &Path) -> Result<(), CtlError> {
    let checked =
        check_directory(state).map_err(|error| CtlError::file("look at", state, error))?;
    checked.map_err(|not_private| match not_private {
        NotPrivate::Owner => CtlError::ForeignState(state.to_owned()),
        NotPrivate::Open => CtlError::OpenState(state.to_owned()),
    })
}

/// Returns the value of the header, marked so that nothing shows it.
fn authorization(secret: &SecretString) -> Option<HeaderValue> {
    let bearer = SecretString::from(format!("Bearer {}", secret.expose_secret()));
    let mut value = HeaderValue::from_str(bearer.expose_secret()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests make what a node makes")]

    use super::*;

    #[test]
    fn the_secret_is_never_shown() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("control"), "127.0.0.1:1").unwrap();
        let (channel, file) = Channel::find(home.path()).unwrap();
        let callee = Callee {
            place: channel.place().clone(),
            file,
            shown: ShownRight::Secret("secret".into()),
        };
        let secret = SecretString::from("hush-hush");
        let connection = Connection::new(channel, callee, &secret).unwrap();
        assert!(!format!("{connection:?}").contains("hush"));
    }

    #[test]
    fn a_state_directory_that_others_may_enter_is_refused() {
        let home = tempfile::tempdir().unwrap();
        for (mode, is_refused) in [(0o755, true), (0o777, true), (0o710, true), (0o700, false)] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(home.path(), mode).unwrap();
            let refused = matches!(check_state(home.path()), Err(CtlError::OpenState(_)));
            assert_eq!(refused, is_refused);
        }
    }
}
