//! The events of one node, one after the other, whatever becomes of the connection.

use std::time::Duration;

use jsonrpsee::core::client::Subscription;
use jsonrpsee_ws_client::WsClient;
use node_api::{
    error::ErrorCode,
    events::{Event, EventStreamClient, PAGE_MAX},
};
use tokio::time::sleep;

use crate::{
    connection::{Connection, Login},
    error::CtlError,
    output::{Output, plural},
};

/// Pause before a lost connection is made again, at first.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The place where the node is found.
#[derive(Clone, Debug)]
pub(in crate::script) enum Origin {
    /// By its login: it may have ended and begun at another address.
    Login(Login),
    /// A node of this process: when it ends, it is gone.
    #[cfg(feature = "embedded")]
    Own(Connection),
}

/// A place in the events of a node.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) origin: Origin,
    /// The start of the node: another one counts its events from 1 again.
    started: u64,
    /// Id of the last event before the place.
    pub(super) since: u64,
}

/// Reads events from a place on.
pub(super) struct Feed {
    place: Place,
    open: Option<Open>,
    pause: Duration,
    /// True if another node answers than before, and that was not reported yet.
    is_anew: bool,
    /// True if it was reported that the node is gone.
    is_missed: bool,
}

struct Open {
    _client: WsClient,
    events: Subscription<Event>,
}

/// An event.
pub(super) struct Heard {
    pub(super) event: Event,
    /// True if it is the first one of a node that was restarted.
    pub(super) is_anew: bool,
}

impl Origin {
    pub(super) fn connection(&self) -> Result<Connection, CtlError> {
        match self {
            Origin::Login(login) => Connection::find(login),
            #[cfg(feature = "embedded")]
            Origin::Own(connection) => Ok(connection.clone()),
        }
    }
}

impl Place {
    /// Returns the place behind the newest event.
    pub(super) async fn now(origin: Origin, node: &Connection) -> Result<Place, CtlError> {
        Ok(Place {
            origin,
            started: node.status().await?.started,
            since: node.events_after(0, 0).await?.newest,
        })
    }

    /// Returns the place behind the last event before a time in Unix milliseconds, as far as the node remembers.
    pub(super) async fn at(
        origin: Origin,
        node: &Connection,
        time: u64,
    ) -> Result<Place, CtlError> {
        let started = node.status().await?.started;
        let page = node.events_after(0, PAGE_MAX).await?;
        let before = page.events.iter().rev().find(|event| event.time < time);
        let oldest = page.oldest.map_or(0, |oldest| oldest.saturating_sub(1));
        Ok(Place {
            origin,
            started,
            since: before.map_or(oldest, |event| event.id),
        })
    }
}

impl Feed {
    pub(super) fn new(place: Place) -> Feed {
        Feed {
            place,
            open: None,
            pause: Duration::ZERO,
            is_anew: false,
            is_missed: false,
        }
    }

    /// Returns the next event, when there is one. May be dropped and called again without loss.
    ///
    /// # Errors
    /// [`CtlError::Closed`] when a node of the script has ended, and others when the node does not let us listen.
    pub(super) async fn next(&mut self, output: Output) -> Result<Heard, CtlError> {
        loop {
            if self.open.is_none() {
                self.open_patiently(output).await?;
            }
            let Some(open) = &mut self.open else { continue };
            // Whatever ended it, what is missing is asked for by its id.
            let Some(Ok(event)) = open.events.next().await else {
                self.open = None;
                self.pause = self.pause.max(PAUSE_MIN);
                continue;
            };
            let next = self.place.since.saturating_add(1);
            if event.id > next {
                let lost = event.id - next;
                let lost = plural(lost, "event", "events");
                output.note(&format!("lost {lost} before number {}", event.id));
            }
            self.place.since = event.id;
            self.pause = Duration::ZERO;
            let is_anew = std::mem::take(&mut self.is_anew);
            return Ok(Heard { event, is_anew });
        }
    }

    /// Connects, again and again while the owner's node is gone.
    async fn open_patiently(&mut self, output: Output) -> Result<(), CtlError> {
        loop {
            sleep(self.pause).await;
            let error = match self.open().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
            match &self.place.origin {
                Origin::Login(_) if error.code() == ErrorCode::Network => {
                    if !self.is_missed {
                        self.is_missed = true;
                        output.note(&format!("waiting for the node to be back: {error}"));
                    }
                }
                Origin::Login(_) => return Err(error),
                #[cfg(feature = "embedded")]
                Origin::Own(node) => {
                    let place = node.place();
                    return Err(CtlError::Closed { place });
                }
            }
        }
    }

    async fn open(&mut self) -> Result<(), CtlError> {
        let node = self.place.origin.connection()?;
        let started = node.status().await?.started;
        if started != self.place.started {
            self.place.started = started;
            self.place.since = 0;
            self.is_anew = true;
        }
        let client = node.web_socket().await?;
        let followed = EventStreamClient::follow(&client, Some(self.place.since)).await;
        let events = followed.map_err(|error| node.classify(error))?;
        self.is_missed = false;
        self.open = Some(Open {
            _client: client,
            events,
        });
        Ok(())
    }
}
