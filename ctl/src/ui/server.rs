//! tiny_http behind the door: taking requests and having them answered.
//!
//! # Invariants
//! - Its listener is a socket in a private directory; only the door connects to it, once for each request.
//! - When its accepting fails, which ends it for good, a new one takes its place.
//! - As many requests are answered at a time as the door has connections, each on a thread of its own: an answer may wait
//!   for the node.

use std::{io, path::Path, sync::Arc, thread, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
};

use super::site::Site;

/// The interval at which the server checks whether the page is to end.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Pause before a new listener after one has failed.
const PAUSE: Duration = Duration::from_millis(50);

/// The thread that takes requests.
#[derive(Debug)]
pub(super) struct Server {
    ended: oneshot::Receiver<()>,
}

impl Server {
    pub(super) fn start(
        socket: &Path,
        site: Arc<Site>,
        handle: Handle,
        stop: watch::Receiver<bool>,
    ) -> io::Result<Server> {
        let first = listen(socket)?;
        let (end, ended) = oneshot::channel();
        let socket = socket.to_owned();
        thread::Builder::new()
            .name("page".to_owned())
            .spawn(move || {
                run(first, &socket, &site, &handle, &stop);
                // A caller that does not wait for it does not miss it.
                let _ = end.send(());
            })?;
        Ok(Server { ended })
    }

    /// Waits until the thread has ended; it does soon after the page is stopped.
    pub(super) async fn join(self) {
        let _ = self.ended.await;
    }
}

fn run(
    first: tiny_http::Server,
    socket: &Path,
    site: &Arc<Site>,
    handle: &Handle,
    stop: &watch::Receiver<bool>,
) {
    let mut server = Some(first);
    while !*stop.borrow() {
        let Some(listening) = server.take().or_else(|| listen(socket).ok()) else {
            thread::sleep(PAUSE);
            continue;
        };
        while !*stop.borrow() {
            match listening.recv_timeout(LOOK_EVERY) {
                Ok(Some(request)) => {
                    let (site, inner) = (Arc::clone(site), handle.clone());
                    let answering = thread::Builder::new()
                        .name("page answer".to_owned())
                        .spawn(move || site.answer(request, &inner));
                    // It answers the request itself; without a thread the request ends with an error.
                    drop(answering);
                }
                Ok(None) => {}
                Err(_) => break,
            }
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "removes a socket from a private temporary directory of this program"
)]
fn listen(socket: &Path) -> io::Result<tiny_http::Server> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(socket)?;
    tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)
}
