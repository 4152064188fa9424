//! The table of tools, as a model sees it. Every byte of it costs its reader room, so it is short.
//!
//! # Invariants
//! - The table is a constant of this program: nothing that came from a node is in it.

use serde_json::{Value, json};

use super::page::{MAX_BYTES_DEFAULT, MAX_BYTES_MAX, MAX_BYTES_MIN};

/// A tool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    title: &'static str,
    description: &'static str,
    arguments: fn() -> Value,
    required: &'static [&'static str],
    changes: bool,
}

const TOOLS: [Tool; 6] = [
    Tool {
        name: "search",
        title: "Find files by name or by words in them",
        description: "Finds files by name and by words in their text, on this node and its peers. \
            For exact lines use grep. Query: words, a glob such as '*.pdf', a \"quoted phrase\", or name:… / text:…; \
            filters ext:pdf,txt size:>10M after:2026-01-31 before:7d. Each hit has name, node, own, digest; \
            lines shows where words stand.",
        arguments: || json!({ "query": { "type": "string" }, "limit": limit() }),
        required: &["query"],
        changes: false,
    },
    Tool {
        name: "grep",
        title: "Find lines by a regular expression",
        description: "Finds lines that match a regular expression (syntax of ripgrep), on this node and its peers. \
            Each hit has name, node, own, and lines as LINE:TEXT.",
        arguments: || {
            json!({
                "pattern": { "type": "string" },
                "ignore_case": { "type": "boolean" },
                "fixed": { "type": "boolean", "description": "the pattern is the text itself" },
                "filters": { "type": "string", "description": "such as ext:rs,md after:7d" },
                "context": { "type": "integer", "description": "lines around each hit, 0 to 10" },
                "limit": limit(),
            })
        },
        required: &["pattern"],
        changes: false,
    },
    Tool {
        name: "read",
        title: "Read a file or some of its lines",
        description: "Reads text of a file of any node, checked against its digest. Give digest (exact), or name. \
            Without lines it begins at the start. Go on with the lines or offset that next gives.",
        arguments: || {
            json!({
                "name": { "type": "string" },
                "digest": { "type": "string", "description": "from a hit" },
                "lines": { "type": "string", "description": "12, 12-40 or 12-" },
                "offset": { "type": "integer", "description": "first byte, instead of lines" },
            })
        },
        required: &[],
        changes: false,
    },
    Tool {
        name: "list",
        title: "List the files of a folder",
        description: "Lists a folder of this node, or of a peer: folders end with /. For the names of nodes use nodes.",
        arguments: || {
            json!({
                "node": { "type": "string", "description": "URL of a peer; this node if absent" },
                "folder": { "type": "string", "description": "the top if absent" },
            })
        },
        required: &[],
        changes: false,
    },
    Tool {
        name: "nodes",
        title: "List the nodes",
        description: "Lists this node and its peers: name, URL, whether it is of the owner's network, whether it answers.",
        arguments: || json!({}),
        required: &[],
        changes: false,
    },
    Tool {
        name: "fetch",
        title: "Bring a file into the owner's share",
        description: "Brings a file of a peer into the shared folder of this node. It replaces nothing. Give name, or digest too.",
        arguments: || json!({ "name": { "type": "string" }, "digest": { "type": "string" } }),
        required: &["name"],
        changes: true,
    },
];

fn limit() -> Value {
    json!({ "type": "integer", "description": "most hits to gather, 1000 if absent" })
}

/// Returns the tools: those that change nothing, and the others if they are allowed.
pub(super) fn all(allows_fetch: bool) -> impl Iterator<Item = &'static Tool> {
    TOOLS
        .iter()
        .filter(move |tool| allows_fetch || !tool.changes)
}

/// Returns the table of tools for a client.
pub(super) fn table(allows_fetch: bool) -> Value {
    all(allows_fetch).map(Tool::describe).collect()
}

impl Tool {
    fn describe(&self) -> Value {
        let mut properties = (self.arguments)();
        if !self.changes {
            let room = format!(
                "room for the answer, {MAX_BYTES_MIN} to {MAX_BYTES_MAX}; {MAX_BYTES_DEFAULT} if absent"
            );
            properties["max_bytes"] = json!({ "type": "integer", "description": room });
        }
        if ["search", "grep", "list", "nodes"].contains(&self.name) {
            let more = "next of the answer before; needs no other argument but max_bytes";
            properties["cursor"] = json!({ "type": "string", "description": more });
        }
        // A cursor stands for all that was asked first.
        let has_cursor = properties.get("cursor").is_some();
        let required: &[&str] = if has_cursor { &[] } else { self.required };
        json!({
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            },
            "annotations": { "readOnlyHint": !self.changes, "openWorldHint": true },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_short_and_has_at_most_six_tools() {
        let (reading, all) = (table(false), table(true));
        assert_eq!(reading.as_array().unwrap().len(), 5);
        assert_eq!(all.as_array().unwrap().len(), 6);
        let bytes = all.to_string().len();
        assert!(bytes <= 6_000 - 100, "{bytes} bytes");
    }

    #[test]
    fn a_tool_that_changes_something_says_so() {
        for tool in table(true).as_array().unwrap() {
            let is_reading = tool["annotations"]["readOnlyHint"] == true;
            assert_eq!(is_reading, tool["name"] != "fetch", "{tool}");
        }
    }
}
