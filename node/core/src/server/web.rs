//! The web port: links for people without Sixhop.
//!
//! # Participants
//! [`Web`] is what all routes know. [`opening`] finds the ticket of a link and asks for its password; [`give`] serves
//! pages and content of links that give, [`leave`] takes files by those that take; [`claimed`] tells the tickets what was sent; [`pages`] writes the pages;
//! [`zip`] is many files as one.
//!
//! # Invariants
//! - A path with a link that is no ticket is answered as one that never was.
//! - A page, a `HEAD` and a preview take nothing. Only a `POST` makes a claim, and only content that was sent whole
//!   counts.
//! - Content comes from the share, by the one way out, as an attachment that no browser shows or runs.
//! - Names and texts of others are escaped on each page, and no page of a link that gives has a script.
//! - The text of a link is in no log.

mod claimed;
mod give;
mod leave;
mod opening;
mod pages;
pub(super) mod zip;

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use node_base::bucket::Buckets;
use tokio::net::TcpListener;

use self::zip::Manifest;
use super::{BodyLimits, ConnectionLimits, Context, Front, slots::Slots};
use crate::{client::SERVER_NAME, rate::Rate, tickets::Tickets};

/// Most requests that leave files at a time.
const LEAVING_MAX: usize = 64;

/// Most sources that try passwords at a time.
const TRYING_MAX: usize = 10_000;

/// Headers of every answer. A link is a secret, which no other site is told.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::SERVER, HeaderValue::from_static(SERVER_NAME)),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex, nofollow, noarchive"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// The parts that the routes of the web port know.
#[derive(Debug)]
pub(super) struct Web {
    pub(super) context: Arc<Context>,
    pub(super) tickets: Tickets,
    /// The rate of content from others.
    download: Rate,
    /// Requests that leave files.
    leaving: Slots,
    /// Wrong passwords, by ticket and source.
    tries: Mutex<Buckets<(u64, Option<IpAddr>)>>,
    /// Forms of ZIP files, by ticket.
    manifests: Mutex<VecDeque<(u64, Arc<Manifest>)>>,
}

/// Returns the front of the web port on `listener`.
#[must_use]
pub(crate) fn front(
    listener: TcpListener,
    context: Arc<Context>,
    tickets: Tickets,
    download: Rate,
) -> Front {
    let counters = Arc::clone(&context.counters);
    let web = Arc::new(Web {
        context,
        tickets,
        download,
        leaving: Slots::shared(LEAVING_MAX),
        tries: Mutex::new(Buckets::new(TRYING_MAX)),
        manifests: Mutex::default(),
    });
    let limits = ConnectionLimits::of_web();
    Front::new(
        listener,
        router(web),
        limits,
        BodyLimits::of_web(),
        counters,
    )
}

fn router(web: Arc<Web>) -> Router {
    Router::new()
        .route("/", get(pages::top))
        .route("/robots.txt", get(pages::robots))
        .route("/style.css", get(pages::style))
        .route("/s/{link}", get(give::page))
        .route("/s/{link}/password", post(opening::password))
        .route("/leave.js", get(leave::script))
        .route("/a/{link}", get(leave::page).post(leave::form))
        .route("/a/{link}/files", post(leave::begin))
        .route(
            "/a/{link}/files/{upload}",
            get(leave::state).post(leave::append),
        )
        .route("/a/{link}/password", post(opening::password_of_ask))
        .route("/s/{link}/claim", post(give::claim))
        .route("/s/{link}/c/{claim}/{*name}", get(give::claimed))
        .route("/s/{link}/files/{*name}", get(give::file))
        .route("/s/{link}/all/{*name}", get(give::all))
        .fallback(other)
        .layer(axum::middleware::map_response(with_headers))
        .with_state(web)
}

/// Answers what has no route.
async fn other() -> Response {
    pages::plain(
        StatusCode::NOT_FOUND,
        "There is nothing here",
        pages::UNKNOWN,
    )
    .into_response()
}

async fn with_headers(mut response: Response) -> Response {
    response.headers_mut().extend(HEADERS);
    response
}
