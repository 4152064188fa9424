//! The peer protocol of Sixhop: bytes to meaning and back.
//!
//! Everything that crosses the peer port has its type here: names, URLs,
//! calls, answers, faults. A node built on this crate never looks at XML and
//! never turns a string of a stranger into a path.
//!
//! Participants: a server reads with [`request::read`], takes parameters apart
//! with [`messages`], answers with [`response`] or streams a file with
//! [`content`]; a client writes with [`request::write`] and reads with
//! [`response::read`] or, for files, [`query_answer`]. [`query`] is the
//! language of searches, which owners and peers write. `docs/protocol.md`
//! describes the protocol for those who write a peer of their own.
//!
//! Absent on purpose: sockets, files, clocks, threads, randomness, `async`.
//!
//! # Invariants
//! - No input makes this crate panic, recurse deeper than
//!   [`limits::XML_DEPTH_MAX`], or hold more than a small multiple of what is
//!   bounded in [`limits`].
//! - What this crate writes, it reads back the same.

pub mod about;
pub mod answer_rate;
mod apache;
pub mod asking;
pub mod basic;
pub mod budget;
pub mod bundle;
mod cdata;
pub mod characters;
pub mod content;
pub mod dialect;
pub mod digest;
pub mod encoding;
pub mod escape;
pub mod fault;
pub mod filter;
pub mod gate;
mod hex;
mod intake;
pub mod limits;
pub mod messages;
pub mod methods;
pub mod multipart;
pub mod name;
pub mod network;
pub mod node_id;
mod node_name;
pub mod offered;
pub mod peer_address;
pub mod peer_url;
pub mod pieces;
pub mod query;
pub mod query_answer;
pub mod query_id;
pub mod request;
pub mod response;
pub mod scope;
pub mod through;
mod utf8;
pub mod value;

pub use about::About;
pub use answer_rate::AnswerRate;
pub use budget::Budget;
pub use content::{ContentScan, Payload, QueryAnswerWriter, Scanned};
pub use dialect::Dialect;
pub use digest::{Digest, DigestError};
pub use encoding::Charset;
pub use escape::{escaped, escaped_whole};
pub use fault::{Fault, MissReason};
pub use filter::{Filter, FilterError};
pub use messages::{
    Fetch, Find, FindExcerpt, FindHit, FindPlace, FindWanted, Found, FoundEnd, Hello, Introduce,
    Introduced, Introduction, More, Multicall, Near, Nodes, Query, Summarize, Summary, Told, Watch,
    WatchNews, WatchTold, Watched,
};
pub use name::{NameError, ShareName};
pub use node_id::{NodeId, Nonce, Proof};
pub use node_name::{NodeName, NodeNameError};
pub use peer_address::{AddressError, NodeAddress, PeerAddress};
pub use peer_url::{PeerUrl, UrlError};
pub use query_answer::{AnswerError, AnswerHead, QueryAnswerReader, QueryOutcome};
pub use query_id::QueryId;
pub use request::MethodCall;
pub use scope::Scope;
pub use value::Value;
