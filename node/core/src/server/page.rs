//! `GET /`: a page for people that open the port in a browser.
//!
//! It shows what the asker may know of the files, as `GET /search` would tell it, with
//! links and a search box that need no script; below that, how programs call the node.
//!
//! # Invariants
//! - Whatever the names of files are, they are text and links to this node.
//! - The policy, the quotas and the private network decide as for any search.

use std::{fmt::Write, sync::Arc};

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use node_api::search::Hit;
use node_wire::{methods::METHODS, scope::Scope};
use serde::Deserialize;

use super::{
    Context,
    front::Remote,
    quotas,
    search::{self, NoHits, Question},
};
use crate::handlers::SearchHits;

/// Most files on the page.
const FILES_MAX: usize = 200;

/// The query that lists all files.
const ALL: &str = "name:**";

/// The limits of the page in a browser: to show it, and to ask this node.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
];

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
code,pre{background:#8881;border-radius:4px;padding:.1em .3em}pre{padding:1em;overflow:auto}\
input[type=search]{font:inherit;width:min(24rem,60%)}button{font:inherit}\
table{border-collapse:collapse;width:100%}td{padding:.2em .4em .2em 0;overflow-wrap:anywhere}\
td+td{text-align:right;white-space:nowrap}dt{margin-top:1em}:root{color-scheme:light dark}";

/// The search on the page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PageQuery {
    q: Option<String>,
}

/// Answers `GET`.
pub(super) async fn page(
    State(context): State<Arc<Context>>,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
    asked: Result<Query<PageQuery>, QueryRejection>,
) -> Response {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let query = asked.q.unwrap_or_default();
    let query = query.trim();
    let question = Question {
        q: if query.is_empty() { ALL } else { query }.to_owned(),
        // One more shows that there are more.
        limit: Some(FILES_MAX + 1),
    };
    let (status, files) = match search::hits(&context, remote, &headers, question).await {
        Ok(hits) => (StatusCode::OK, files(query, &hits)),
        Err(NoHits::Quota(wait)) => return quotas::refusal(&context, wait),
        Err(NoHits::Query(error)) => {
            let text = escaped(&node_wire::escaped(&error.for_stranger()).to_string());
            let text = format!("<p>That makes no sense as a query: {text}</p>\n");
            (StatusCode::BAD_REQUEST, text)
        }
        Err(NoHits::Broken) => {
            let text = "<p>The search broke. Try again later.</p>\n".to_owned();
            (StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    };
    let own = context.overlay.own_urls().main().as_str().to_owned();
    (status, HEADERS, Html(html(&context, &own, query, &files))).into_response()
}

/// Returns the files that match.
fn files(query: &str, hits: &SearchHits) -> String {
    let shown = &hits.hits[..hits.hits.len().min(FILES_MAX)];
    let mut html = String::new();
    if shown.is_empty() {
        html += if query.is_empty() {
            "<p>There is no file here that you may see.</p>\n"
        } else {
            "<p>Nothing here matches.</p>\n"
        };
        html.push_str(note(hits));
        return html;
    }
    html += "<table>\n";
    for hit in shown {
        row(hit, &mut html);
    }
    html += "</table>\n";
    if hits.hits.len() > FILES_MAX {
        let _ = writeln!(
            html,
            "<p>There are more than {FILES_MAX}; search for what you want.</p>"
        );
    }
    html.push_str(note(hits));
    html
}

fn note(hits: &SearchHits) -> &'static str {
    if hits.complete {
        ""
    } else {
        "<p>Not everything could be looked at yet.</p>\n"
    }
}

fn row(hit: &Hit, html: &mut String) {
    let _ = writeln!(
        html,
        "<tr><td><a href=\"/files/{}\">{}</a></td><td>{}</td></tr>",
        path(&hit.name),
        escaped(&node_wire::escaped_whole(&hit.name).to_string()),
        size(hit.size.unwrap_or_default()),
    );
}

fn html(context: &Context, url: &str, query: &str, files: &str) -> String {
    let id = context.overlay.id();
    let is_here = Scope::of_host(context.overlay.ourselves()) == Scope::Machine;
    let reach = if is_here {
        " Only programs of this machine reach this node."
    } else {
        ""
    };
    let (url, query) = (escaped(url), escaped(query));
    let heading = if query.is_empty() {
        "Files".to_owned()
    } else {
        format!("Files that match \u{201c}{query}\u{201d}")
    };
    let methods = definitions(METHODS.iter().map(|method| {
        let name = method.name.to_owned();
        (name, method.help.to_owned())
    }));
    let handlers = context.handlers.list();
    let handlers = definitions(handlers.iter().map(|handler| {
        let name = format!("{}:", handler.name());
        (name, handler.description().to_owned())
    }));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Files of a Sixhop node</title>\
<meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
<h1>Files of a Sixhop node</h1>\n\
<p>Somebody shares these files here. Choose one to save it, or search by name or by what is in a file.{reach}</p>\n\
<form action=\"/\" role=\"search\"><label>Search <input type=\"search\" name=\"q\" value=\"{query}\"></label> \
<button>Search</button> <a href=\"/\">all files</a></form>\n\
<h2>{heading}</h2>\n{files}\
<h2>For programs</h2>\n\
<p>This is a node of a peer-to-peer network. It finds files at its peers, up to six hops away. \
Its id is <code>{id}</code>.</p>\n<ul>\n\
<li><code>GET /files/NAME</code>: a file of this node, with ranges</li>\n\
<li><code>GET /search?q=QUERY</code>: what this node has, as JSON</li>\n\
<li><code>POST /RPC2</code>: XML-RPC, with the methods below</li>\n</ul>\n\
<pre>curl -OJ {url}files/NAME\n\npython3 -c 'from xmlrpc.client import ServerProxy\nprint(ServerProxy(\"{url}\").query(\"NAME\"))'</pre>\n\
<h3>Queries</h3>\n<dl>\n{handlers}</dl>\n\
<h3>Methods</h3>\n<dl>\n{methods}</dl>\n</body></html>\n"
    )
}

fn definitions(list: impl Iterator<Item = (String, String)>) -> String {
    list.map(|(term, text)| {
        let (term, text) = (escaped(&term), escaped(&text));
        format!("<dt><code>{term}</code></dt><dd>{text}</dd>\n")
    })
    .collect()
}

/// Formats a size as people read it.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit.
    let (mut tenths, mut unit) = (bytes.saturating_mul(10) / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        (tenths, unit) = (tenths / 1024, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Formats a name as the path of a URL.
fn path(name: &str) -> String {
    name.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

/// Escapes text for HTML, in elements and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut html, c| {
            match c {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                c => html.push(c),
            }
            html
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(name: &str, size: u64) -> Hit {
        Hit {
            handler: "name".to_owned(),
            name: name.to_owned(),
            node_name: None,
            node: String::new(),
            size: Some(size),
            modified: None,
            digest: None,
            score: None,
            excerpt: None,
        }
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            escaped("<a b=\"c\" d='e'>&"),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;"
        );
    }

    #[test]
    fn names_become_links_to_their_files() {
        let hits = SearchHits {
            complete: true,
            hits: vec![hit("a b/<caf\u{e9}>.txt", 1), hit("\"onload=x%", 1_500)],
        };
        let html = files("", &hits);
        assert!(
            html.contains(
                "href=\"/files/a%20b/%3Ccaf%C3%A9%3E.txt\">a b/&lt;caf\u{e9}&gt;.txt</a>"
            ),
            "{html}"
        );
        assert!(
            html.contains("href=\"/files/%22onload%3Dx%25\">&quot;onload=x%</a>"),
            "{html}"
        );
        assert!(html.contains("<td>1.4 KiB</td>"), "{html}");
    }

    #[test]
    fn what_is_not_shown_is_said() {
        let many = SearchHits {
            complete: false,
            hits: (0..=FILES_MAX).map(|n| hit(&n.to_string(), 0)).collect(),
        };
        let html = files("x", &many);
        assert_eq!(html.matches("<tr>").count(), FILES_MAX);
        assert!(
            html.contains("more than 200") && html.contains("Not everything"),
            "{html}"
        );
        let none = SearchHits {
            complete: true,
            hits: Vec::new(),
        };
        assert!(files("x", &none).contains("Nothing here matches"));
        assert!(files("", &none).contains("no file here"));
    }

    #[test]
    fn sizes_are_read_by_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (1 << 20, "1.0 MiB"),
            (1 << 40, "1.0 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
