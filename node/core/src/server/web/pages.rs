//! The pages of the web port: HTML without a script, and its style.

use std::fmt::Write;

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use node_base::size::shown;

use super::super::page::escaped;

/// Longest table of files, in bytes, so that a page stays small.
const TABLE_MAX: usize = 30_000;

/// Says what to do with a link that is none.
pub(super) const UNKNOWN: &str =
    "This link does not exist, or is of no use any more. Ask for a new one.";

/// The limits of a page in a browser.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#fff;--text:#1b1b1f;--link:#1a5fb4;--line:#8886;--action:#1a5fb4}
@media (prefers-color-scheme:dark){:root{--back:#16161a;--text:#eeeef0;--link:#8ab4f8}}
html{background:var(--back);color:var(--text)}
a{color:var(--link)}
body{background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;table-layout:fixed}
th,td{text-align:left;padding:.4rem .5rem .4rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere;vertical-align:top}
th:last-child,td:last-child{text-align:right;width:6rem}
button,.button{display:inline-block;font:inherit;font-weight:600;padding:.7rem 1.2rem;border:0;border-radius:.5rem;background:var(--action);color:#fff;text-decoration:none;cursor:pointer;max-width:100%}
button:focus-visible,.button:focus-visible,input:focus-visible,a:focus-visible{outline:3px solid #e5a50a;outline-offset:2px}
input{font:inherit;padding:.6rem;max-width:100%;box-sizing:border-box}
label{display:block;margin:.5rem 0}
.note{border-left:.3rem solid var(--line);padding-left:.8rem}
code{overflow-wrap:anywhere}
progress{width:100%}
.drop{border:2px dashed var(--line);border-radius:.5rem;padding:1rem;margin:1rem 0}
";

/// A file as a page shows it.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) size: u64,
    /// Where it is to be had, if it is to be had alone.
    pub(super) href: Option<String>,
}

/// Returns the style of all pages.
pub(super) async fn style() -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/css; charset=utf-8"),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=3600"),
        ),
    ];
    (headers, STYLE).into_response()
}

/// Tells robots to stay away.
pub(super) async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /\n"
}

/// Answers at the top, where there is nothing.
pub(super) async fn top() -> Response {
    plain(
        StatusCode::OK,
        "Files by links",
        "Somebody gives or takes files here by links. Open the link that you were sent.",
    )
}

/// Returns a page with a heading and a sentence.
pub(super) fn plain(status: StatusCode, heading: &str, text: &str) -> Response {
    page(status, heading, &format!("<p>{}</p>", escaped(text)))
}

/// Returns a page. `body` is HTML.
pub(super) fn page(status: StatusCode, heading: &str, body: &str) -> Response {
    let heading = escaped(heading);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
<title>{heading}</title><link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"/style.css\"></head>\n\
<body><main><h1>{heading}</h1>\n{body}\n</main></body></html>\n"
    );
    let mut response = (status, Html(html)).into_response();
    response.headers_mut().extend(HEADERS);
    response
}

/// Returns the form that asks for a password. `action` is where it goes.
pub(super) fn ask_password(status: StatusCode, action: &str, note: &str) -> Response {
    let note = if note.is_empty() {
        String::new()
    } else {
        format!("<p class=\"note\" role=\"alert\">{}</p>", escaped(note))
    };
    let body = format!(
        "{note}<form method=\"post\" action=\"{}\"><label for=\"password\">The password that you were told</label>\
<p><input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"off\" maxlength=\"200\" required></p>\
<p><button>Go on</button></p></form>",
        escaped(action)
    );
    page(status, "A password is needed", &body)
}

/// Returns the table of files, as long as it may be.
pub(super) fn table<'a>(rows: impl Iterator<Item = Row<'a>>) -> String {
    let mut html = String::from(
        "<table><thead><tr><th scope=\"col\">File</th><th scope=\"col\">Size</th></tr></thead><tbody>",
    );
    let mut more = 0_u64;
    for row in rows {
        if html.len() > TABLE_MAX {
            more += 1;
            continue;
        }
        let name = escaped(row.name);
        let name = match row.href {
            Some(href) => format!("<a href=\"{}\">{name}</a>", escaped(&href)),
            None => name,
        };
        let _ = write!(html, "<tr><td>{name}</td><td>{}</td></tr>", shown(row.size));
    }
    html.push_str("</tbody></table>");
    if more > 0 {
        let _ = write!(html, "<p>and {more} more files</p>");
    }
    html
}

/// Returns a path as URLs have it.
pub(super) fn in_url(path: &str) -> String {
    path.bytes().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
        url
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_short_and_its_names_are_text() {
        let names: Vec<String> = (0..5_000)
            .map(|at| format!("<script>alert({at})</script>\"'&"))
            .collect();
        let rows = names.iter().map(|name| Row {
            name,
            size: 1,
            href: Some(format!("/s/x/files/{}", in_url(name))),
        });
        let html = table(rows);
        assert!(html.len() < 40_000, "{}", html.len());
        assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
        assert!(html.contains("more files"));
    }

    #[test]
    fn a_path_in_a_url_is_nothing_but_a_path() {
        assert_eq!(
            in_url("a b/\u{e9}?#\"<>%.txt"),
            "a%20b/%C3%A9%3F%23%22%3C%3E%25.txt"
        );
    }
}
