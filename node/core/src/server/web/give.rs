//! Links that give: their page, and their content.
//!
//! A link without a number of uses gives its files by their names, and all as one ZIP. One with a number gives one
//! thing, its file or the ZIP, for each claim.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use node_base::{link::LinkText, size::shown};
use node_wire::name::ShareName;
use plugin_api::Flow;

use super::{
    Web,
    claimed::ByLink,
    opening::{Opened, Way, over, see_other},
    pages::{self, Row, in_url},
    zip::{Listed, Manifest, Zip},
};
use crate::{
    server::{
        content::Content,
        files,
        front::{Cut, Remote},
        page::escaped,
        raw::{self, Asking, Plan, Representation},
    },
    share::ShareError,
    sync::lock,
    tickets::{Claim, ClaimError, GiveError, Goods, Item},
};

/// Most files of a link.
const FILES_MAX: usize = 100_000;

/// Most forms of ZIP files that are kept for other answers, with their checksums.
const MANIFESTS_MAX: usize = 4;

/// Time until a use may be free again, in seconds.
const TRY_AGAIN: u64 = 30;

/// The limits of content in a browser.
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    ),
];

/// The parts of a request for content.
struct Request {
    method: Method,
    headers: HeaderMap,
    remote: Remote,
    cut: Option<Cut>,
}

/// What a link gives now.
struct Given {
    files: Vec<Listed>,
    /// Its file, if it gives one file and no folder.
    is_single: bool,
    /// The name of what is downloaded whole.
    name: String,
}

impl Given {
    fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// Answers with the page of a link. It takes nothing.
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Path(text): Path<String>,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
) -> Response {
    let opened = match web.open(Way::Share, &text, &headers, remote) {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    if opened.ticket.is_used_up() {
        return over("This link was used as often as it could be.");
    }
    let given = match given(&web, &opened).await {
        Ok(given) => given,
        Err(response) => return response,
    };
    let limited = opened.ticket.uses;
    let heading = heading(&given);
    let mut body = format!("<p>{}</p>", summary(&given));
    if given.files.is_empty() {
        body.push_str("<p class=\"note\">There is nothing in it now.</p>");
        return pages::page(StatusCode::OK, &heading, &body);
    }
    let size = if given.is_single {
        shown(given.size())
    } else {
        format!("ZIP, {}", shown(given.size()))
    };
    if let Some(uses) = limited {
        let left = uses.saturating_sub(opened.ticket.used);
        let times = match left {
            1 => "once more".to_owned(),
            left => format!("{left} more times"),
        };
        body.push_str(&format!(
            "<form method=\"post\" action=\"/s/{text}/claim\"><p><button>Download ({size})</button></p></form>\
<p class=\"note\">It can be downloaded {times}. A download that breaks off goes on where it was, and counts when it is complete.</p>"
        ));
    } else {
        body.push_str(&format!(
            "<p><a class=\"button\" href=\"{}\">Download ({size})</a></p>",
            escaped(&whole_path(&text, &given))
        ));
    }
    if !given.is_single {
        let rows = given.files.iter().map(|file| Row {
            name: file.name.as_str(),
            size: file.size,
            href: limited
                .is_none()
                .then(|| format!("/s/{text}/files/{}", in_url(file.name.as_str()))),
        });
        body.push_str(&pages::table(rows));
    }
    pages::page(StatusCode::OK, &heading, &body)
}

fn heading(given: &Given) -> String {
    given
        .name
        .strip_suffix(".zip")
        .filter(|_| !given.is_single)
        .unwrap_or(&given.name)
        .to_owned()
}

fn summary(given: &Given) -> String {
    let count = given.files.len();
    match (given.is_single, count) {
        (true, _) => format!("A file of {}.", shown(given.size())),
        (false, 1) => format!("1 file, {}.", shown(given.size())),
        (false, count) => format!("{count} files, {} together.", shown(given.size())),
    }
}

/// Returns the path of all that an unlimited link gives.
fn whole_path(text: &str, given: &Given) -> String {
    let name = match given.files.first().filter(|_| given.is_single) {
        Some(file) => return format!("/s/{text}/files/{}", in_url(file.name.as_str())),
        None => in_url(&given.name),
    };
    format!("/s/{text}/all/{name}")
}

/// Makes a claim, and leads the client to its content.
pub(super) async fn claim(
    State(web): State<Arc<Web>>,
    Path(text): Path<String>,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
) -> Response {
    let opened = match web.open(Way::Share, &text, &headers, remote) {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    let given = match given(&web, &opened).await {
        Ok(given) => given,
        Err(response) => return response,
    };
    if given.files.is_empty() {
        return not_there();
    }
    if opened.ticket.uses.is_none() {
        return see_other(&whole_path(&text, &given));
    }
    let Ok(secret) = LinkText::generate() else {
        return failed("The system gives no random bytes.");
    };
    let claim = Claim {
        ticket: opened.ticket.id,
        hash: secret.hash(),
    };
    match web.tickets.claim(&claim).await {
        Ok(()) => see_other(&format!(
            "/s/{text}/c/{}/{}",
            secret.expose(),
            in_url(&given.name)
        )),
        Err(error) => not_claimed(&error),
    }
}

fn not_claimed(error: &GiveError) -> Response {
    let text = error.to_string();
    match error {
        GiveError::Claim(ClaimError::UsedUp | ClaimError::Gone | ClaimError::Ended) => {
            pages::plain(StatusCode::GONE, "This download is over", &sentence(&text))
        }
        GiveError::Claim(ClaimError::Taken) => {
            let heading = "All downloads are taken";
            let mut response = pages::plain(StatusCode::CONFLICT, heading, &sentence(&text));
            let seconds = HeaderValue::from(TRY_AGAIN);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
        GiveError::Claim(ClaimError::Changed) => {
            let status = StatusCode::PRECONDITION_FAILED;
            pages::plain(status, "The content changed", &sentence(&text))
        }
        GiveError::Claim(ClaimError::TooManyParts) => {
            pages::plain(StatusCode::CONFLICT, "Too many parts", &sentence(&text))
        }
        GiveError::Keep(error) => {
            tracing::warn!(%error, "a download by a link is refused");
            failed("This node cannot keep count now.")
        }
    }
}

/// Returns the answer for content that is not in the share now. It takes nothing.
fn not_there() -> Response {
    let text = "What this link gives is not there now.";
    pages::plain(StatusCode::NOT_FOUND, "There is nothing here", text)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

fn failed(text: &str) -> Response {
    pages::plain(StatusCode::INTERNAL_SERVER_ERROR, "That did not work", text)
}

/// Answers with the content of a claim.
pub(super) async fn claimed(
    State(web): State<Arc<Web>>,
    Path((text, claim, _name)): Path<(String, String, String)>,
    Extension(remote): Extension<Remote>,
    cut: Option<Extension<Cut>>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let opened = match web.open(Way::Share, &text, &headers, remote) {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    let Ok(secret) = LinkText::parse(&claim) else {
        return not_claimed(&GiveError::Claim(ClaimError::Ended));
    };
    let claim = Claim {
        ticket: opened.ticket.id,
        hash: secret.hash(),
    };
    if let Err(error) = web.tickets.has_claim(&claim) {
        return not_claimed(&error.into());
    }
    let request = Request {
        method,
        headers,
        remote,
        cut: cut.map(|Extension(cut)| cut),
    };
    whole(&web, &opened, Some(claim), &request).await
}

/// Answers with all that a link gives that may be used without limit.
pub(super) async fn all(
    State(web): State<Arc<Web>>,
    Path((text, _name)): Path<(String, String)>,
    Extension(remote): Extension<Remote>,
    cut: Option<Extension<Cut>>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let opened = match web.open(Way::Share, &text, &headers, remote) {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    if opened.ticket.uses.is_some() {
        return see_other(&format!("/s/{text}"));
    }
    let request = Request {
        method,
        headers,
        remote,
        cut: cut.map(|Extension(cut)| cut),
    };
    whole(&web, &opened, None, &request).await
}

/// Answers with one file of a link that may be used without limit.
pub(super) async fn file(
    State(web): State<Arc<Web>>,
    Path((text, name)): Path<(String, String)>,
    Extension(remote): Extension<Remote>,
    cut: Option<Extension<Cut>>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let opened = match web.open(Way::Share, &text, &headers, remote) {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    if opened.ticket.uses.is_some() {
        return see_other(&format!("/s/{text}"));
    }
    let Some(name) = ShareName::parse(&name)
        .ok()
        .filter(|name| gives(&opened, name))
    else {
        return pages::plain(
            StatusCode::NOT_FOUND,
            "There is nothing here",
            "This link does not give such a file.",
        );
    };
    let request = Request {
        method,
        headers,
        remote,
        cut: cut.map(|Extension(cut)| cut),
    };
    one(&web, &opened, name, None, &request).await
}

/// Returns whether a link gives the file of this name.
fn gives(opened: &Opened, name: &ShareName) -> bool {
    let Goods::Share(names) = &opened.ticket.goods else {
        return false;
    };
    names.iter().any(|given| {
        let below = name.as_str().strip_prefix(given.as_str());
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    })
}

/// Returns the files that a link gives now.
async fn given(web: &Arc<Web>, opened: &Opened) -> Result<Given, Response> {
    let Goods::Share(names) = opened.ticket.goods.clone() else {
        return Err(failed("This link gives nothing."));
    };
    let context = Arc::clone(&web.context);
    let listed = web.context.disk.run(move || listed(&context, &names));
    match listed.await {
        Ok(Ok(Some(given))) => Ok(given),
        Ok(Ok(None)) => Err(failed("There are too many files for one link.")),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the files of a link cannot be listed");
            Err(failed("The files cannot be listed now."))
        }
        Err(error) => {
            tracing::error!(%error, "listing the files of a link panicked");
            Err(failed("The files cannot be listed now."))
        }
    }
}

/// Lists the files of a link; `None` if there are too many. Blocks.
fn listed(context: &crate::server::Context, names: &[String]) -> std::io::Result<Option<Given>> {
    // Sorted, and each once: a name may be given with a folder around it.
    let mut files = BTreeMap::new();
    let mut is_single = names.len() == 1;
    for name in names {
        let mut take = |name: &str, size, modified| {
            if let Ok(name) = ShareName::parse(name) {
                let file = Listed {
                    name,
                    size,
                    modified,
                };
                files.insert(file.name.as_str().to_owned(), file);
            }
            files.len() <= FILES_MAX
        };
        if let Ok(Some(file)) = context.catalogue.look_up(name) {
            take(&file.name, file.size, file.modified);
            continue;
        }
        is_single = false;
        context
            .catalogue
            .search(&format!("{name}/"), &[], &mut |file| {
                if take(&file.name, file.size, file.modified) {
                    Flow::Continue
                } else {
                    Flow::Stop
                }
            })?;
    }
    if files.len() > FILES_MAX {
        return Ok(None);
    }
    let last = |name: &String| name.rsplit('/').next().unwrap_or_default().to_owned();
    let name = match (is_single, names) {
        (true, [name]) => last(name),
        (false, [name]) => format!("{}.zip", last(name)),
        _ => "files.zip".to_owned(),
    };
    Ok(Some(Given {
        files: files.into_values().collect(),
        is_single,
        name,
    }))
}

/// Answers with all that a link gives: its file, or a ZIP.
async fn whole(
    web: &Arc<Web>,
    opened: &Opened,
    claim: Option<Claim>,
    request: &Request,
) -> Response {
    let given = match given(web, opened).await {
        Ok(given) => given,
        Err(response) => return response,
    };
    if given.files.is_empty() {
        return not_there();
    }
    if let Some(file) = given.files.first().filter(|_| given.is_single) {
        return one(web, opened, file.name.clone(), claim, request).await;
    }
    let manifest = web.manifest(opened.ticket.id, given.files);
    let zip = Zip::new(Arc::clone(&web.context.share), Arc::clone(&manifest));
    let Ok(name) = ShareName::parse(&given.name) else {
        return failed("The name of the ZIP cannot be.");
    };
    let representation = Representation {
        content: Content::of_zip(zip),
        size: manifest.size(),
        tag: Some(manifest.tag()),
        file: Some((name, None)),
        about: node_wire::About::default(),
    };
    let answer = give(web, opened, representation, claim, request).await;
    answer.unwrap_or_else(|_| failed("The files cannot be read."))
}

/// Answers with one file.
async fn one(
    web: &Arc<Web>,
    opened: &Opened,
    name: ShareName,
    claim: Option<Claim>,
    request: &Request,
) -> Response {
    for _ in 0..files::ATTEMPTS {
        let representation = match files::open(&web.context, name.clone()).await {
            Ok(representation) => representation,
            Err(ShareError::NotFound(_)) => return not_there(),
            Err(error) => {
                tracing::warn!(%error, "a shared file cannot be read");
                return failed("The file cannot be read.");
            }
        };
        let answer = give(web, opened, representation, claim.clone(), request).await;
        if let Ok(response) = answer {
            return response;
        }
    }
    failed("The file changes faster than it is read.")
}

/// Answers with content, and tells its ticket what was sent.
async fn give(
    web: &Arc<Web>,
    opened: &Opened,
    representation: Representation,
    claim: Option<Claim>,
    request: &Request,
) -> Result<Response, raw::Stale> {
    let asking = Asking {
        method: &request.method,
        headers: &request.headers,
        remote: request.remote,
    };
    let (size, tag) = (representation.size, representation.tag.clone());
    let plan = raw::plan(&representation, &asking);
    let is_empty = matches!(plan, Plan::Answer(_)) && request.method == Method::GET && size == 0;
    let range = plan.range();
    let end = web.tickets.end_of(opened.ticket.id);
    let mut answer = ByLink {
        begun: None,
        end,
        cut: request.cut.clone(),
    };
    if let Some(claim) = claim.filter(|_| range.is_some() || is_empty) {
        let item = Item {
            size,
            tag: tag.unwrap_or_else(|| format!("{size}")),
            range: range.clone().unwrap_or(0..0),
        };
        match web.tickets.begin(&claim, &item).await {
            Ok(begun) => answer.begun = Some(begun),
            Err(error) => return Ok(not_claimed(&error)),
        }
    }
    let mut response = match (plan, range) {
        (Plan::Answer(response), _) => {
            if is_empty && answer.sent().await.is_err() {
                return Ok(failed("This node cannot keep count now."));
            }
            response
        }
        (Plan::Send(sending), Some(range)) => {
            let response = raw::send(&web.context, representation, sending, request.remote).await?;
            if response.status().is_success() {
                response.map(|body| answer.body(body, &range))
            } else {
                response
            }
        }
        (Plan::Send(_), None) => failed("There is nothing to send."),
    };
    response.headers_mut().extend(HEADERS);
    Ok(response)
}

impl Web {
    /// Returns the form of a ZIP of these files, which answers of one ticket share.
    fn manifest(&self, ticket: u64, files: Vec<Listed>) -> Arc<Manifest> {
        let mut manifests = lock(&self.manifests);
        let at = manifests.iter().position(|(of, _)| *of == ticket);
        let known = at.and_then(|at| manifests.remove(at));
        let known = known.map(|(_, manifest)| manifest);
        let known = known.filter(|known| known.is_of(&files));
        let manifest = known.unwrap_or_else(|| Arc::new(Manifest::new(files)));
        // Those that were used last are at the end.
        manifests.push_back((ticket, Arc::clone(&manifest)));
        if manifests.len() > MANIFESTS_MAX {
            manifests.pop_front();
        }
        manifest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_begins_with_a_capital() {
        assert_eq!(sentence("it is over"), "It is over.");
        assert_eq!(sentence(""), ".");
    }
}
