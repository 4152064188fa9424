//! Calls to other nodes.
//!
//! # Participants
//! [`Client`] knows what a call means; a [`Transport`] carries its bytes:
//! [`HttpTransport`] over the network, [`MemoryTransport`] between nodes in
//! memory, for tests.
//!
//! # Invariants
//! - Everything that a peer answers is hostile: heads, bodies and times have
//!   limits, and content is decoded piece by piece, never held whole.
//! - A redirect, a compressed body or a status other than 200, or 206 for a
//!   part that was asked for, is a failure.
//! - Nobody is called but a [`Destination`], which knows its source; the connection
//!   goes to the address that was checked for it. Proxies of the environment are not
//!   used.
//! - Who was met by id is spoken to over TLS, by that id, and never in clear again: [`Pins`].
//! - In a private network nothing is said to a node before it has shown the key, over TLS.
//! - All calls to peers that only strangers named pass one table, [`Dials`].
//! - A call that failed costs its own time only; deciding what a failure means
//!   is the overlay's.

mod blob;
mod bundle;
mod call_scope;
mod calls;
mod connector;
mod content;
mod destination;
mod dials;
mod http;
pub mod identity;
mod member;
mod memory;
pub mod network;
mod pins;
mod resolve;
mod speeds;
mod stream;
pub mod tls;
mod tokens;
mod transport;

pub use self::{
    blob::BlobBody,
    bundle::{BundleBody, BundleFile},
    call_scope::{CallScope, CheckedAddress, nearest_for},
    calls::{Answered, CallError, Client, KindListener, QueryReply},
    content::RemoteFile,
    destination::{Destination, SearchDials},
    dials::{AGAIN_PAUSE, Calling, Dial, Dials, HEARD_MAX, TARGET_PAUSE, Turn},
    http::HttpTransport,
    memory::{MemoryAnswer, MemoryTransport},
    pins::{PINS_MAX, Pins, Standing as PinStanding},
    speeds::Speeds,
    stream::{ChannelBinding, PeerPath, PeerStream},
    transport::{
        BodyStream, PeerKind, PeerRequest, PeerResponse, Purpose, SERVER_NAME, Transport,
        TransportError, WalkInfo,
    },
};
