//! `GET /`: a page for people who meet the port with a browser.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use node_wire::methods::METHODS;

use super::Context;

/// What a browser may do with the page: show it.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
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
dt{margin-top:1em}:root{color-scheme:light dark}";

/// Answers `GET`.
pub(super) async fn page(State(context): State<Arc<Context>>) -> Response {
    (HEADERS, Html(html(&context))).into_response()
}

fn html(context: &Context) -> String {
    let url = escaped(context.overlay.ourselves().as_str());
    let id = context.overlay.id();
    let methods: String = METHODS
        .iter()
        .map(|method| {
            format!(
                "<dt><code>{}</code></dt><dd>{}</dd>\n",
                escaped(method.name),
                escaped(method.help)
            )
        })
        .collect();
    let handlers: String = context
        .handlers
        .list()
        .iter()
        .map(|handler| {
            format!(
                "<dt><code>{}:</code></dt><dd>{}</dd>\n",
                escaped(handler.name()),
                escaped(handler.description())
            )
        })
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>A Sixhop node</title>\
<meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
<h1>A Sixhop node</h1>\n\
<p>This is a node of a peer-to-peer network in which people share files. It offers the files of one folder and \
finds files at its peers, up to six hops away.</p>\n\
<p>Its id, by which other nodes know it again, is <code>{id}</code>.</p>\n\
<h2>Getting files</h2>\n<ul>\n\
<li><code>GET /files/NAME</code>: a file of this node</li>\n\
<li><code>GET /search?q=QUERY</code>: what this node has, as JSON</li>\n\
<li><code>query(NAME)</code> over XML-RPC: a file of this node or of its peers</li>\n</ul>\n\
<p>In Python:</p>\n<pre>from xmlrpc.client import ServerProxy\nnode = ServerProxy(\"{url}\")\nprint(node.query(\"NAME\"))</pre>\n\
<h2>Queries</h2>\n<dl>\n{handlers}</dl>\n\
<h2>Methods</h2>\n<dl>\n{methods}</dl>\n</body></html>\n"
    )
}

/// Text for HTML, in elements and in quoted attributes.
fn escaped(text: &str) -> String {
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

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            escaped("<a b=\"c\" d='e'>&"),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;"
        );
    }
}
