//! Finds the ticket of a link, and asks for its password.
//!
//! A right password is kept by the browser as a proof that holds for this link alone; other clients send it with each
//! request, as the password of `Authorization: Basic`.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Limited};
use node_base::{
    bucket::{Quota, source_of},
    link::LinkText,
    token::TokenHash,
};
use serde::Deserialize;

use super::{Web, pages};
use crate::{
    clock::now,
    server::front::Remote,
    sync::lock,
    tickets::{Goods, Record, Shown},
};

/// Wrong passwords of one source for one link.
const TRIES: Quota = Quota {
    burst: 5,
    refill: Duration::from_secs(10),
};

/// Wrong passwords of all for one link.
const TRIES_OF_ALL: Quota = Quota::per_second(1, 60);

/// Longest form with a password, in bytes.
const FORM_MAX: usize = 2_048;

/// A ticket whose link was shown.
pub(super) struct Opened {
    pub(super) link: LinkText,
    pub(super) ticket: Record,
}

/// The way in which a link is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    Share,
    Ask,
}

impl Way {
    /// Returns the begin of the paths of such links.
    pub(super) fn path(self) -> &'static str {
        match self {
            Way::Share => "/s/",
            Way::Ask => "/a/",
        }
    }

    fn is_of(self, goods: &Goods) -> bool {
        matches!(
            (self, goods),
            (Way::Share, Goods::Share(_)) | (Way::Ask, Goods::Ask(_))
        )
    }
}

#[derive(Debug, Deserialize)]
struct PasswordForm {
    password: String,
}

/// What somebody shows for a password.
enum Proof {
    Cookie(String),
    Password(String),
    Nothing,
}

impl Web {
    /// Finds the ticket of a link, and checks that its password was shown.
    ///
    /// # Errors
    /// Errors with the answer, if there is no such ticket, or the password is missing.
    pub(super) fn open(
        &self,
        way: Way,
        text: &str,
        headers: &HeaderMap,
        remote: Remote,
    ) -> Result<Opened, Box<Response>> {
        let opened = self.found(way, text)?;
        let Some(wanted) = opened.ticket.password() else {
            return Ok(opened);
        };
        let action = format!("{}{text}/password", way.path());
        match shown(headers, opened.ticket.id) {
            Proof::Cookie(proof) if is_proof(&opened.link, &wanted, &proof) => Ok(opened),
            Proof::Password(password) => {
                self.check(&opened, &wanted, &password, &action, remote)?;
                Ok(opened)
            }
            Proof::Cookie(_) | Proof::Nothing => {
                let page = pages::ask_password(StatusCode::FORBIDDEN, &action, "");
                Err(Box::new(page))
            }
        }
    }

    fn found(&self, way: Way, text: &str) -> Result<Opened, Box<Response>> {
        let unknown = || {
            let status = StatusCode::NOT_FOUND;
            Box::new(pages::plain(
                status,
                "There is nothing here",
                pages::UNKNOWN,
            ))
        };
        let link = LinkText::parse(text).map_err(|_| unknown())?;
        let ticket = match self.tickets.shown(&link) {
            Shown::Valid(id) => self.tickets.get(id),
            Shown::Expired => return Err(Box::new(over("The time of this link is over."))),
            Shown::Unknown => None,
        };
        let ticket = ticket.filter(|ticket| way.is_of(&ticket.goods));
        let ticket = ticket.ok_or_else(unknown)?;
        Ok(Opened { link, ticket })
    }

    /// Checks a password, unless too many wrong ones were tried.
    fn check(
        &self,
        opened: &Opened,
        wanted: &TokenHash,
        password: &str,
        action: &str,
        remote: Remote,
    ) -> Result<(), Box<Response>> {
        let id = opened.ticket.id;
        let source: IpAddr = source_of(remote.ip());
        let mut tries = lock(&self.tries);
        let allowed = tries
            .has(&(id, Some(source)), TRIES, 1, now())
            .and_then(|()| tries.has(&(id, None), TRIES_OF_ALL, 1, now()));
        if let Err(wait) = allowed {
            let seconds = wait.as_secs() + 1;
            let note = format!("Too many wrong passwords. Try again in {seconds} seconds.");
            let mut response = pages::ask_password(StatusCode::TOO_MANY_REQUESTS, action, &note);
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            return Err(Box::new(response));
        }
        if opened.link.password(password).matches(wanted) {
            return Ok(());
        }
        let taken = tries.take((id, Some(source)), TRIES, 1, now());
        let of_all = tries.take((id, None), TRIES_OF_ALL, 1, now());
        debug_assert!(
            taken.and(of_all).is_ok(),
            "both were free under the same lock"
        );
        tracing::info!(ticket = id, address = %remote, "a wrong password was given for a link");
        let note = "That is another password.";
        Err(Box::new(pages::ask_password(
            StatusCode::FORBIDDEN,
            action,
            note,
        )))
    }
}

/// Returns the answer for a link that is of no use any more.
pub(super) fn over(text: &str) -> Response {
    pages::plain(
        StatusCode::GONE,
        "This link is over",
        &format!("{text} Ask for a new one."),
    )
}

/// Answers the form with a password for a link that gives.
pub(super) async fn password(
    State(web): State<Arc<Web>>,
    Path(text): Path<String>,
    Extension(remote): Extension<Remote>,
    body: Body,
) -> Response {
    take_password(&web, Way::Share, &text, remote, body).await
}

/// Answers the form with a password for a link that takes.
pub(super) async fn password_of_ask(
    State(web): State<Arc<Web>>,
    Path(text): Path<String>,
    Extension(remote): Extension<Remote>,
    body: Body,
) -> Response {
    take_password(&web, Way::Ask, &text, remote, body).await
}

/// Answers a form with a password: the browser gets a proof, and is led to the page.
async fn take_password(web: &Web, way: Way, text: &str, remote: Remote, body: Body) -> Response {
    let opened = match web.found(way, text) {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    let page = format!("{}{text}", way.path());
    let Some(wanted) = opened.ticket.password() else {
        return see_other(&page);
    };
    let Some(password) = password_in(body).await else {
        return pages::ask_password(
            StatusCode::BAD_REQUEST,
            &format!("{page}/password"),
            "Type the password.",
        );
    };
    let action = format!("{page}/password");
    if let Err(response) = web.check(&opened, &wanted, &password, &action, remote) {
        return *response;
    }
    let cookie = format!(
        "{}={}; Path={page}; HttpOnly; SameSite=Lax",
        cookie_name(opened.ticket.id),
        opened.link.proof(&wanted)
    );
    let mut response = see_other(&page);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Leads a client to another path of this port, by `GET`.
pub(super) fn see_other(path: &str) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    let headers = [(header::LOCATION, location)];
    (StatusCode::SEE_OTHER, headers, format!("{path}\n")).into_response()
}

async fn password_in(body: Body) -> Option<String> {
    let body = Limited::new(body, FORM_MAX)
        .collect()
        .await
        .ok()?
        .to_bytes();
    let query = std::str::from_utf8(&body).ok()?;
    let uri: Uri = format!("/?{query}").parse().ok()?;
    let form: Query<PasswordForm> = Query::try_from_uri(&uri).ok()?;
    Some(form.0.password)
}

fn cookie_name(id: u64) -> String {
    format!("sixhop-link-{id}")
}

fn is_proof(link: &LinkText, wanted: &TokenHash, proof: &str) -> bool {
    let proof: Result<TokenHash, _> = proof.parse();
    proof.is_ok_and(|proof| link.proof(wanted).matches(&proof))
}

/// Returns what the headers of a request show for a password.
fn shown(headers: &HeaderMap, id: u64) -> Proof {
    let texts = |name| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
    };
    let basic = texts(header::AUTHORIZATION).find_map(node_wire::basic::password);
    if let Some(password) = basic {
        return Proof::Password(password);
    }
    let name = cookie_name(id);
    let cookies = texts(header::COOKIE).flat_map(|cookies| cookies.split(';'));
    let mut pairs = cookies.filter_map(|cookie| cookie.trim().split_once('='));
    let proof = pairs.find(|(key, _)| *key == name);
    proof.map_or(Proof::Nothing, |(_, proof)| Proof::Cookie(proof.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_form_with_a_password_reads_as_browsers_send_it() {
        let read = |body: &'static str| password_in(Body::from(body));
        assert_eq!(
            read("password=a+b%C3%A9").await.as_deref(),
            Some("a b\u{e9}")
        );
        assert_eq!(read("name=x").await, None);
        let long = Body::from(vec![b'x'; FORM_MAX + 1]);
        assert_eq!(password_in(long).await, None);
    }
}
