//! The answers to requests that come through the door.

use std::{
    io::{self, Read},
    time::Instant,
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tiny_http::{Method, Request};
use tokio::{runtime::Handle, sync::watch};

use super::{
    access::Access, call::Call, link::NodeLink, news, page, reply::Reply, search, upload::Uploads,
};
use crate::{error::CtlError, qr::Qr};

/// Longest token, in bytes.
const TOKEN_MAX: u64 = 256;

/// Longest body that is JSON, in bytes.
const JSON_MAX: u64 = 64 * 1024;

/// Longest part of an upload, in bytes.
const PART_MAX: u64 = 1024 * 1024;

/// The state of the page.
#[derive(Debug)]
pub(super) struct Site {
    node: NodeLink,
    access: Access,
    uploads: Uploads,
    /// Name of the cookie. Cookies are the same for all ports, so the port is in it.
    cookie: String,
    stop: watch::Receiver<bool>,
}

impl Site {
    pub(super) fn new(node: NodeLink, port: u16, stop: watch::Receiver<bool>) -> Site {
        Site {
            node,
            access: Access::default(),
            uploads: Uploads::default(),
            cookie: format!("sixhop-{port}"),
            stop,
        }
    }

    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    pub(super) fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Answers a request, on a thread that may block.
    pub(super) fn answer(&self, mut request: Request, handle: &Handle) {
        let url = request.url().to_owned();
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let reply = match (request.method(), path) {
            (Method::Get, path) if !path.starts_with("/api/") => match page::find(path) {
                Some(file) => Reply::file(file),
                None => Reply::refusal(404, "not_found", "there is no such page"),
            },
            (Method::Post, "/api/session") => self.exchange(&mut request),
            _ if !self.has_session(&request) => {
                Reply::refusal(401, "denied", "this needs a link of ctl ui")
            }
            (Method::Get, "/api/events") => {
                return news::follow(request, query, &self.node, handle, self.stop.clone());
            }
            (Method::Post, "/api/search") => {
                let wanted = match body(&mut request) {
                    Ok(wanted) => wanted,
                    Err(reply) => return reply.send(request),
                };
                return search::stream(request, &wanted, &self.node, handle, self.stop.clone());
            }
            (Method::Post, "/api/call") => body::<Call>(&mut request).map_or_else(
                |reply| reply,
                |call| Reply::result(handle.block_on(call.make(&self.node))),
            ),
            (Method::Post, "/api/invitation") => Reply::result(handle.block_on(self.invitation())),
            (Method::Post, path) if path.starts_with("/api/upload/") => {
                let result =
                    self.upload(&path["/api/upload/".len()..], query, &mut request, handle);
                result.map_or_else(|reply| reply, Reply::result)
            }
            _ => Reply::refusal(404, "not_found", "there is no such call"),
        };
        reply.send(request);
    }

    /// Returns the address by which others meet the node, and its QR code.
    async fn invitation(&self) -> Result<Value, CtlError> {
        let status = self.node.call("node.status", &Map::new()).await?;
        let invitation = status["invitation"].as_str().unwrap_or_default();
        let qr = Qr::of(invitation).map(|qr| qr.to_json());
        Ok(json!({ "invitation": invitation, "qr": qr }))
    }

    /// Makes a session out of the token of a link.
    fn exchange(&self, request: &mut Request) -> Reply {
        let token = read(request, TOKEN_MAX)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        match token.and_then(|token| self.access.exchange(&token, Instant::now())) {
            Some(session) => Reply::json(&json!({ "key": session.key })).with_cookie(format!(
                "{}={}; HttpOnly; SameSite=Strict; Path=/",
                self.cookie, session.cookie
            )),
            None => Reply::refusal(
                403,
                "denied",
                "this link was used already, or it is too old",
            ),
        }
    }

    fn has_session(&self, request: &Request) -> bool {
        let value = |name| header(request, name).unwrap_or_default();
        self.is_session(value("cookie"), value("x-sixhop-key"))
    }

    /// Returns true if these headers are the halves of a session.
    pub(super) fn is_session(&self, cookies: &str, key: &str) -> bool {
        let cookie = cookies
            .split("; ")
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == self.cookie);
        cookie.is_some_and(|(_, cookie)| self.access.is_session(cookie, key))
    }

    fn upload(
        &self,
        step: &str,
        query: &str,
        request: &mut Request,
        handle: &Handle,
    ) -> Result<Result<Value, CtlError>, Reply> {
        let uploads = &self.uploads;
        Ok(match step {
            "begin" => {
                let wanted = body(request)?;
                handle.block_on(uploads.begin(wanted, &self.node))
            }
            "part" => {
                let part = read(request, PART_MAX)
                    .map_err(|_| Reply::refusal(400, "usage", "the part did not come whole"))?;
                uploads.part(number(query, "id")?, number(query, "at")?, &part)
            }
            "end" => handle.block_on(uploads.end(number(query, "id")?, &self.node)),
            "cancel" => uploads.cancel(number(query, "id")?),
            _ => return Err(Reply::refusal(404, "not_found", "there is no such call")),
        })
    }
}

/// Reads a number in the query of a URL.
pub(super) fn number(query: &str, name: &str) -> Result<u64, Reply> {
    let value = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok());
    value.ok_or_else(|| Reply::refusal(400, "usage", "a number is missing"))
}

fn header<'a>(request: &'a Request, name: &'static str) -> Option<&'a str> {
    let found = request.headers().iter().find(|h| h.field.equiv(name));
    found.map(|header| header.value.as_str())
}

fn body<T: DeserializeOwned>(request: &mut Request) -> Result<T, Reply> {
    let bytes = read(request, JSON_MAX);
    let value = bytes.and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other));
    value.map_err(|_| Reply::refusal(400, "usage", "this is no call of the page"))
}

fn read(request: &mut Request, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    request.as_reader().take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}
