//! The methods of the peer port: one table, from which introspection answers.
//!
//! A new method adds a line here; the server dispatches on the same
//! names. Absent: what the methods do.
//!
//! # Invariants
//! - [`METHODS`] is sorted by name, without doubles, each with a signature and
//!   a help text.

use std::collections::BTreeMap;

use crate::value::Value;

/// `fetch(name, secret)`.
pub const FETCH: &str = "fetch";
/// `hello(url)`.
pub const HELLO: &str = "hello";
/// `query(name [, history])`.
pub const QUERY: &str = "query";
/// `sixhop.find(struct)`.
pub const FIND: &str = "sixhop.find";
/// `sixhop.introduce(struct)`.
pub const INTRODUCE: &str = "sixhop.introduce";
/// `sixhop.more(struct)`.
pub const MORE: &str = "sixhop.more";
/// `sixhop.summary(struct)`.
pub const SUMMARY: &str = "sixhop.summary";
/// `sixhop.watch(struct)`.
pub const WATCH: &str = "sixhop.watch";
/// `system.getCapabilities()`.
pub const GET_CAPABILITIES: &str = "system.getCapabilities";
/// `system.listMethods()`.
pub const LIST_METHODS: &str = "system.listMethods";
/// `system.methodHelp(name)`.
pub const METHOD_HELP: &str = "system.methodHelp";
/// `system.methodSignature(name)`.
pub const METHOD_SIGNATURE: &str = "system.methodSignature";
/// `system.multicall(calls)`.
pub const MULTICALL: &str = "system.multicall";

/// The description of one method for introspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// The name, as clients call it.
    pub name: &'static str,
    /// The ways to call it: each the type of the result, then the types of the
    /// parameters, by the names that XML-RPC has for types.
    pub signatures: &'static [&'static [&'static str]],
    /// A description, in a few sentences of plain text.
    pub help: &'static str,
}

/// Every method of the peer port, sorted by name.
pub const METHODS: &[Method] = &[
    Method {
        name: FETCH,
        signatures: &[&["int", "string", "string"]],
        help: "fetch(name, secret): for the owner of this node. Finds the file, here or with \
               peers, and stores it in the share. Returns 0. Fault 100: not found. Fault 200: \
               wrong secret, or a name outside the share. Under /codes: returns 1, or 2 for every \
               failure.",
    },
    Method {
        name: HELLO,
        signatures: &[&["int", "string"]],
        help: "hello(url): introduces the peer at this URL. May be repeated. Returns 0. Under \
               /codes: returns 1, or 2 if the URL is not accepted.",
    },
    Method {
        name: QUERY,
        signatures: &[
            &["string", "string"],
            &["base64", "string"],
            &["string", "string", "array"],
            &["base64", "string", "array"],
        ],
        help: "query(name [, history]): returns the file of this name, from here or from peers: a \
               string if it is text, base64 otherwise. The history is an array of the URLs of \
               nodes that the query has passed; they are not asked again. Fault 100: not found. \
               Fault 200: the name is outside the share. Under /codes: returns the array [1, \
               data], or [2, \"\"] for every failure.",
    },
    Method {
        name: FIND,
        signatures: &[&["struct", "struct"]],
        help: "sixhop.find(struct): what this node has, and who may know more; nobody else is \
               asked. The struct has one of `name` (a file), `digest` (64 hex digits) and `query` \
               (as in GET /search), and may have `after` (only names behind this one) and \
               `limit`. Returns a struct: `hits`, an array of structs of `name`, `size` and, when \
               it is known, `digest`; `more`, whether there are hits behind the last one; \
               `peers`, an array of the URLs of Sixhop nodes; `others`, the number of known peers \
               of other kinds. The bytes are at /blobs/DIGEST. With `deadline`, in milliseconds, \
               the hits of a query come best first and have, where the handler says so, \
               `modified`, `score` and `excerpt`, a struct of `text`, `marks`, `line`, `column`, \
               `before` and `after`, and for a document one of `page`, `sheet`, `chapter` and \
               `part`; `end` is complete, limit, deadline or partial, and a \
               `cursor` is for sixhop.more.",
    },
    Method {
        name: INTRODUCE,
        signatures: &[&["struct", "struct"]],
        help: "sixhop.introduce(struct): two Sixhop nodes meet. The struct says who calls: `id` \
               (its ed25519 key, 64 hex digits), `version`, `features`, `url`, `nonce` and some \
               `peers`. Returns the same of this node, and `proof`, its signature of what both \
               said. A second call with `answering`, the nonce of the answer, and `proof` shows \
               who calls; its answer has a `token`. Fault 200: the proof is none.",
    },
    Method {
        name: MORE,
        signatures: &[&["struct", "struct"]],
        help: "sixhop.more(struct): more hits of a search. The struct has the `cursor` that \
               sixhop.find or sixhop.more gave last and may have `wait`, in milliseconds. Returns \
               what sixhop.find does, as soon as there are hits. Fault 100: the search is over or \
               was forgotten.",
    },
    Method {
        name: SUMMARY,
        signatures: &[&["struct"], &["struct", "struct"]],
        help: "sixhop.summary([struct]): what this node has, in few bytes. The struct may have \
               `level` (1, or 2 for more), `version` (the one that the caller has) and `wait` (for \
               another version, in milliseconds). Returns a struct: `version`; `same`, if it is \
               the one that the caller has; `handlers`; `peers`; `files`, a filter with names, \
               words and digests, and `digests`, whether all are in it; `public`, whether it may \
               be told to others; and on level 2 `grams`, a filter with pieces of names, and \
               `near`, the filters of its peers.",
    },
    Method {
        name: WATCH,
        signatures: &[&["struct", "struct"]],
        help: "sixhop.watch(struct): tells of new matches of queries, as soon as there are any. The struct \
               has `watches`, an array of structs of `query` and, as it was told last, `cursor` and \
               `after`; it may have `watcher`, a name for the caller, and `wait`, in milliseconds. \
               Without a cursor all files are looked at, with it those that changed since. Returns a \
               struct: `told`, an array of structs of `watch` (the number of the query, from 0), `hits` \
               as in sixhop.find, `cursor`, `after`, if there is more, `again`, if the cursor was too \
               old, and `end`; and `lease`, the seconds for which the place is kept.",
    },
    Method {
        name: GET_CAPABILITIES,
        signatures: &[&["struct"]],
        help: "system.getCapabilities(): the specifications this server follows, each a struct of \
               specUrl and specVersion.",
    },
    Method {
        name: LIST_METHODS,
        signatures: &[&["array"]],
        help: "system.listMethods(): the names of all methods.",
    },
    Method {
        name: METHOD_HELP,
        signatures: &[&["string", "string"]],
        help: "system.methodHelp(name): what a method does.",
    },
    Method {
        name: METHOD_SIGNATURE,
        signatures: &[&["array", "string"]],
        help: "system.methodSignature(name): the ways to call a method, each an array of the type \
               of the result and the types of the parameters.",
    },
    Method {
        name: MULTICALL,
        signatures: &[&["array", "array"]],
        help: "system.multicall(calls): makes up to 16 calls, each a struct of methodName and \
               params, and returns an array: for each call an array of its one result, or a \
               struct of faultCode and faultString. system.multicall, fetch, hello and \
               sixhop.watch may not be among the calls.",
    },
];

/// Returns the method of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Method> {
    let at = METHODS.binary_search_by(|method| method.name.cmp(name));
    at.ok().map(|at| &METHODS[at])
}

/// Returns the answer of `system.listMethods`.
#[must_use]
pub fn names() -> Value {
    Value::Array(METHODS.iter().map(|method| method.name.into()).collect())
}

/// Returns the answer of `system.getCapabilities`.
#[must_use]
pub fn capabilities() -> Value {
    let interop = "http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php";
    let introspection = "http://xmlrpc-c.sourceforge.net/xmlrpc-c/introspection.html";
    structure([
        ("xmlrpc", capability("http://www.xmlrpc.com/spec", 1)),
        ("faults_interop", capability(interop, 20_010_516)),
        ("introspection", capability(introspection, 1)),
        ("sixhop", capability("docs/protocol.md", PROTOCOL_VERSION)),
    ])
}

/// Version of the peer protocol as `docs/protocol.md` describes it. Grows by
/// one when an older node would misunderstand a newer one.
pub const PROTOCOL_VERSION: i32 = 1;

impl Method {
    /// Returns the answer of `system.methodSignature`.
    #[must_use]
    pub fn signatures_value(&self) -> Value {
        let signature =
            |types: &&[&str]| Value::Array(types.iter().map(|name| (*name).into()).collect());
        Value::Array(self.signatures.iter().map(signature).collect())
    }
}

fn capability(url: &str, version: i32) -> Value {
    structure([("specUrl", url.into()), ("specVersion", version.into())])
}

fn structure<const N: usize>(members: [(&str, Value); N]) -> Value {
    let members: BTreeMap<_, _> = members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Value::Struct(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::recheck;

    const TYPES: [&str; 10] = [
        "int", "i4", "i8", "boolean", "double", "string", "base64", "array", "struct", "nil",
    ];

    #[test]
    fn the_table_is_sorted_and_without_doubles() {
        assert!(METHODS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn every_method_is_documented_with_its_own_name() {
        for method in METHODS {
            assert!(method.help.starts_with(&format!("{}(", method.name)));
            assert!(method.help.ends_with('.'), "{}", method.name);
            assert!(!method.signatures.is_empty(), "{}", method.name);
            let mut types = method.signatures.iter().copied().flatten();
            assert!(types.all(|name| TYPES.contains(name)), "{}", method.name);
        }
    }

    #[test]
    fn every_method_is_found_by_its_name_and_nothing_else_is() {
        for method in METHODS {
            assert_eq!(find(method.name), Some(method));
        }
        for name in ["", "_start", "Query", "system", "zzz"] {
            assert_eq!(find(name), None, "{name}");
        }
    }

    #[test]
    fn capabilities_name_four_specifications() {
        let capabilities = capabilities();
        assert_eq!(recheck(&capabilities), Ok(()));
        for name in ["xmlrpc", "faults_interop", "introspection", "sixhop"] {
            let version = capabilities[name]["specVersion"].as_i32();
            assert!(version.is_some_and(|version| version > 0), "{name}");
        }
    }
}
