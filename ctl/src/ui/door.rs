//! The door of the page: the only part that strangers on this machine can reach.
//!
//! tiny_http 0.12 trusts its clients: one `Content-Length` beyond the memory of the machine ends the process, a version of HTTP that
//! it does not know leaks a thread, an error of accepting ends it, and nothing in it has a limit of size or time. So nothing reaches
//! it but requests that this door has read whole, checked ([`head`]) and written again: `GET` or `POST`, HTTP/1.1, three headers that
//! the page needs, a body of the length that it says, one request a connection, over a socket that only the owner can
//! open.
//!
//! # Invariants
//! - At most [`CONNECTIONS`]; a stranger makes room for the next one, and requests of a session have places of their own.
//! - Errors of accepting cost a pause.
//! - A request has [`HEAD_TIME`] for its head and [`BODY_TIME`] for its body, an answer may stand still for [`WRITE_TIME`].
//! - When either side is gone, the other one is dropped.

mod head;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use node_base::admission::{Admission, AdmissionLimits, Full};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    select,
    sync::{Notify, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use self::head::{HEAD_MAX, Head, Refused};
use super::site::Site;

/// Connections at a time. A browser opens six.
const CONNECTIONS: AdmissionLimits = AdmissionLimits {
    strangers: 64,
    owners: 64,
};

/// Longest time for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// Longest time for the body of a request.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Longest time for the first bytes of an answer; the longest call to a node takes a minute.
const ANSWER_TIME: Duration = Duration::from_secs(75);

/// Longest time in which a browser takes nothing of an answer.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// Pause after an error of accepting.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Bytes that are passed on at a time.
const PIECE: usize = 64 * 1024;

/// The state that all connections share.
#[derive(Debug)]
struct Door {
    port: u16,
    /// The socket on which the server listens.
    socket: PathBuf,
    site: Arc<Site>,
    admission: Mutex<Admission<Arc<Notify>>>,
}

/// The place of a connection; given back when it is dropped.
struct Place {
    door: Arc<Door>,
    id: u64,
}

/// Serves until it is stopped; all connections end with it.
pub(super) async fn serve(
    listener: TcpListener,
    port: u16,
    socket: PathBuf,
    site: Arc<Site>,
    mut stop: watch::Receiver<bool>,
) {
    let door = Arc::new(Door {
        port,
        socket,
        site,
        admission: Mutex::new(Admission::new(CONNECTIONS)),
    });
    let mut connections = JoinSet::new();
    loop {
        let accepted = select! {
            _ = stop.wait_for(|stopped| *stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let end = Arc::new(Notify::new());
                let place = Place::take(&door, Arc::clone(&end));
                connections.spawn(async move {
                    select! {
                        // A connection that breaks is nobody's concern but the browser's.
                        _ = connection(stream, &place) => {}
                        () = end.notified() => {}
                    }
                });
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
    connections.shutdown().await;
}

impl Door {
    fn admission(&self) -> MutexGuard<'_, Admission<Arc<Notify>>> {
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Takes a place. The stranger that came first makes room.
    fn take(door: &Arc<Door>, end: Arc<Notify>) -> Place {
        let (id, displaced) = door.admission().admit(end);
        if let Some(displaced) = displaced {
            displaced.notify_one();
        }
        let door = Arc::clone(door);
        Place { door, id }
    }

    /// Takes one of the owner's places, if the request shows a session.
    fn prove(&self, head: &Head) -> Result<(), Refused> {
        if !self.door.site.is_session(&head.cookies, &head.key) {
            return Ok(());
        }
        let proved = self.door.admission().prove(self.id);
        proved.map_err(|Full| Refused::NoServer)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.admission().remove(self.id);
    }
}

async fn connection(mut stream: TcpStream, place: &Place) -> io::Result<()> {
    match request(&mut stream, place).await {
        Ok(request) => {
            if let Err(refused) = pass_on(&mut stream, &request, &place.door.socket).await? {
                return refuse(&mut stream, refused).await;
            }
            Ok(())
        }
        Err(Some(refused)) => refuse(&mut stream, refused).await,
        Err(None) => Ok(()),
    }
}

/// Reads a whole request and rewrites it. `None`: there is nobody to answer.
async fn request(stream: &mut TcpStream, place: &Place) -> Result<Vec<u8>, Option<Refused>> {
    let mut bytes = Vec::with_capacity(4 * 1024);
    let head = timeout(HEAD_TIME, async {
        loop {
            if let Some(head) = Head::read(&bytes, place.door.port)? {
                return Ok(head);
            }
            if bytes.len() > HEAD_MAX {
                return Err(Some(Refused::TooLong));
            }
            more(stream, &mut bytes).await?;
        }
    });
    let head = head.await.map_err(|_| Some(Refused::Late))??;
    place.prove(&head)?;
    let end = head.length + head.body;
    timeout(BODY_TIME, async {
        while bytes.len() < end {
            more(stream, &mut bytes).await?;
        }
        Ok::<_, Option<Refused>>(())
    })
    .await
    .map_err(|_| Some(Refused::Late))??;
    if bytes.len() > end {
        return Err(Some(Refused::Malformed)); // a second request before the answer to the first
    }
    let mut request = head.anew;
    request.extend_from_slice(&bytes[head.length..]);
    Ok(request)
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<(), Option<Refused>> {
    match stream.read_buf(bytes).await {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err(None),
    }
}

/// Passes a request on and its answer back. The inner error is for the browser instead.
async fn pass_on(
    stream: &mut TcpStream,
    request: &[u8],
    socket: &Path,
) -> io::Result<Result<(), Refused>> {
    let Ok(mut server) = UnixStream::connect(socket).await else {
        return Ok(Err(Refused::NoServer));
    };
    if server.write_all(request).await.is_err() {
        return Ok(Err(Refused::NoServer));
    }
    let mut piece = vec![0; PIECE];
    let mut begin = Vec::new();
    // The first line comes first: that the connection ends behind the answer is said in the second.
    let line = loop {
        if let Some(at) = begin.windows(2).position(|pair| pair == b"\r\n") {
            break at + 2;
        }
        let read = select! {
            read = timeout(ANSWER_TIME, server.read(&mut piece)) => read.unwrap_or(Ok(0)),
            _ = stream.readable() => match is_gone(stream) {
                true => return Ok(Ok(())),
                false => continue,
            },
        };
        match read {
            Ok(count @ 1..) => begin.extend_from_slice(&piece[..count]),
            Ok(0) | Err(_) => return Ok(Err(Refused::NoServer)),
        }
    };
    let (first, rest) = begin.split_at(line);
    let begin = [first, b"Connection: close\r\n", rest].concat();
    timeout(WRITE_TIME, stream.write_all(&begin)).await??;
    loop {
        let count = select! {
            read = server.read(&mut piece) => read?,
            _ = stream.readable() => match is_gone(stream) {
                true => return Ok(Ok(())),
                false => continue,
            },
        };
        if count == 0 {
            stream.shutdown().await?;
            return Ok(Ok(()));
        }
        timeout(WRITE_TIME, stream.write_all(&piece[..count])).await??;
    }
}

/// Returns true if the browser has closed, or sends more than its one request.
fn is_gone(stream: &TcpStream) -> bool {
    let mut byte = [0];
    !matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

async fn refuse(stream: &mut TcpStream, refused: Refused) -> io::Result<()> {
    timeout(WRITE_TIME, stream.write_all(&refused.answer())).await??;
    stream.shutdown().await
}
