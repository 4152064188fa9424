//! The page of `ctl ui`: a web page on loopback for the person at the machine.
//!
//! # Participants
//! A browser speaks to the [`door`], the only listener on a port. The door reads a whole request under limits, refuses what
//! does not come from the page, and hands one clean request at a time to tiny_http ([`server`]), which listens on a
//! socket in a private directory. [`site`] answers: [`page`] has the files of the page, [`access`] says who may do more than
//! read them, [`call`] is what the page may ask of the node, [`news`] and [`search`] are what goes on for longer, and
//! [`upload`] puts dropped files into the share. [`link`] is the way to the node.
//!
//! # Who may do what
//! The files of the page are no secret. Everything else needs a session: the token of the link, which is good for one use and
//! ten minutes, is exchanged for two halves. One is a cookie that scripts cannot read; cookies do not know ports, so other
//! programs on this machine may see it. The other is a key that the page keeps for its own origin. Both are needed.
//!
//! # Invariants
//! - The browser never gets the secret of the node, and no method of the node that is not on the list in [`call`].
//! - What does not come whole, within its time and from the page itself, does not reach tiny_http.
//! - Connections, bodies, sessions, uploads and waits have named limits.
//! - Nothing of this outlives the command: the port, the socket, temporaries of unfinished uploads.
//!
//! `docs/ui.md` has the threats and which part meets them.

mod access;
mod browser;
mod call;
mod door;
mod link;
mod news;
mod page;
mod reply;
mod search;
mod server;
mod site;
mod upload;

use std::{fs::Permissions, net::SocketAddr, os::unix::fs::PermissionsExt, sync::Arc};

use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Handle, sync::watch, task::JoinHandle};

use self::{link::NodeLink, server::Server, site::Site};
use crate::{connection::Login, error::CtlError};

pub(crate) use browser::Opening;

/// A page that is served.
#[derive(Debug)]
pub(crate) struct Served {
    address: SocketAddr,
    site: Arc<Site>,
    door: JoinHandle<()>,
    server: Server,
    stop: watch::Sender<bool>,
    /// Holds the socket and the file that opens the browser; only the owner can look into it.
    directory: TempDir,
}

impl Served {
    /// Starts to serve the page for the node of this login, on this port of the loopback.
    pub(crate) async fn start(login: Login, port: u16) -> Result<Served, CtlError> {
        let listen = SocketAddr::from(([127, 0, 0, 1], port));
        let cannot = |what: &str, error: &dyn std::fmt::Display| {
            CtlError::failed(format!("cannot {what}: {error}"))
        };
        let listener = TcpListener::bind(listen).await;
        let listener = listener.map_err(|error| cannot(&format!("listen on {listen}"), &error))?;
        let address = listener.local_addr();
        let address = address.map_err(|error| cannot("listen", &error))?;
        let directory = tempfile::Builder::new()
            .prefix("sixhop-ui-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir();
        let directory = directory.map_err(|error| cannot("make a directory", &error))?;
        let socket = directory.path().join("socket");
        let (stop, stopped) = watch::channel(false);
        let site = Arc::new(Site::new(
            NodeLink::new(login),
            address.port(),
            stopped.clone(),
        ));
        let server = Server::start(
            &socket,
            Arc::clone(&site),
            Handle::current(),
            stopped.clone(),
        )
        .map_err(|error| cannot("start the server of the page", &error))?;
        let door = door::serve(listener, address.port(), socket, Arc::clone(&site), stopped);
        let door = tokio::spawn(door);
        Ok(Served {
            address,
            site,
            door,
            server,
            stop,
            directory,
        })
    }

    /// Returns a new link to the page; the one before is good for nothing any more.
    pub(crate) fn link(&self) -> Result<String, CtlError> {
        let token = self.site.access().new_token();
        let token =
            token.map_err(|error| CtlError::failed(format!("no random numbers: {error}")))?;
        Ok(format!("http://{}/#{token}", self.address))
    }

    /// Opens a link in the browser of this person.
    pub(crate) fn open(&self, link: &str) -> Opening {
        browser::open(self.directory.path(), link)
    }

    /// Ends all connections and waits for it.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        // An error of the task is a panic, which has reported itself.
        let _ = self.door.await;
        self.server.join().await;
        self.site.uploads().clear();
    }
}
