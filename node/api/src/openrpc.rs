//! The `OpenRPC` document: the answer of `rpc.discover`.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::level::Level;

/// Name of the method that answers with this document. The prefix `rpc.` is
/// reserved by JSON-RPC 2.0, the name by `OpenRPC`.
pub const DISCOVER: &str = "rpc.discover";

/// Ends of the names of a subscription and of its end.
const SUBSCRIBE: &str = ".subscribe";
const UNSUBSCRIBE: &str = ".unsubscribe";

/// One method as the document shows it.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    /// What its caller needs.
    pub(crate) level: Level,
    pub(crate) text: &'static str,
    pub(crate) params: Vec<Param>,
    pub(crate) result: Schema,
    pub(crate) subscription: bool,
}

/// One named parameter.
pub(crate) struct Param {
    name: &'static str,
    required: bool,
    schema: Schema,
}

/// Describes the parameter `name` of type `T`. A type that takes `null` is
/// optional, as it is for the server.
pub(crate) fn param<T: JsonSchema + DeserializeOwned>(
    schemas: &mut SchemaGenerator,
    name: &'static str,
) -> Param {
    Param {
        name,
        required: serde_json::from_value::<T>(Value::Null).is_err(),
        schema: schemas.subschema_for::<T>(),
    }
}

/// Returns the whole document, `OpenRPC` 1.3. `event_kinds` are the types of the events that the node sends, each with
/// what it says.
#[must_use]
pub fn document(event_kinds: &[(&str, &str)]) -> Value {
    let mut schemas = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let methods: Vec<Value> = all(&mut schemas).iter().map(method).collect();
    let mut components = schemas.take_definitions(true);
    name_kinds(&mut components, event_kinds);
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "Sixhop control",
            "version": crate::API_VERSION,
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "methods": methods,
        "components": { "schemas": components, "errors": crate::error::describe() },
    })
}

/// Lists the types of events in the schema of an event. A client may meet others: later versions have more.
fn name_kinds(components: &mut Map<String, Value>, kinds: &[(&str, &str)]) {
    let event = components.get_mut("Event");
    if let Some(kind) = event.and_then(|event| event.pointer_mut("/properties/type")) {
        let known = kinds.iter();
        let known = known.map(|(kind, text)| json!({ "const": kind, "description": text.trim() }));
        kind["anyOf"] = known.chain([json!({ "type": "string" })]).collect();
    }
}

/// Returns names of all methods, sorted, subscriptions included.
#[must_use]
pub fn method_names() -> Vec<&'static str> {
    let mut names: Vec<_> = all(&mut SchemaGenerator::default())
        .iter()
        .map(|method| method.name)
        .collect();
    names.sort_unstable();
    names
}

/// Returns the level that the caller of each method needs, by the name of the method: those of the document, the
/// document itself, and the ends of subscriptions.
#[must_use]
pub fn levels() -> BTreeMap<String, Level> {
    let mut levels = BTreeMap::from([(DISCOVER.to_owned(), Level::Read)]);
    for method in all(&mut SchemaGenerator::default()) {
        levels.insert(method.name.to_owned(), method.level);
        if let Some(namespace) = method.name.strip_suffix(SUBSCRIBE) {
            levels.insert(format!("{namespace}{UNSUBSCRIBE}"), method.level);
        }
    }
    levels
}

/// Returns one line of help for the method `name`: the first line of its text.
#[must_use]
pub fn summary(name: &str) -> Option<&'static str> {
    all(&mut SchemaGenerator::default())
        .iter()
        .find(|method| method.name == name)
        .map(|method| first_line(method.text))
}

fn all(schemas: &mut SchemaGenerator) -> Vec<Method> {
    let namespaces = [
        crate::cache::describe,
        crate::plugin::describe,
        crate::events::describe,
        crate::events::describe_follow,
        crate::search::describe_follow,
        crate::fetch::describe,
        crate::node::describe,
        crate::peer::describe,
        crate::search::describe,
        crate::share::describe,
        crate::ticket::describe,
        crate::token::describe,
        crate::watch::describe,
    ];
    namespaces
        .iter()
        .flat_map(|describe| describe(schemas))
        .collect()
}

fn method(method: &Method) -> Value {
    let params: Vec<Value> = method
        .params
        .iter()
        .map(|p| json!({ "name": p.name, "required": p.required, "schema": p.schema }))
        .collect();
    let mut value = json!({
        "name": method.name,
        "summary": first_line(method.text),
        "description": method.text.trim(),
        "x-level": method.level,
        "paramStructure": "by-name",
        "params": params,
        "result": { "name": "result", "schema": method.result },
    });
    if method.subscription {
        value["tags"] = json!([{ "name": "subscription", "summary": "WebSocket only" }]);
    }
    value
}

fn first_line(text: &'static str) -> &'static str {
    text.trim().lines().next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_namespaced() {
        let names = method_names();
        let mut unique = names.clone();
        unique.dedup();
        assert_eq!(names, unique);
        for name in names {
            let (namespace, method) = name.split_once('.').unwrap();
            let snake =
                |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            assert!(snake(namespace) && snake(method), "{name}");
        }
    }

    #[test]
    fn types_of_events_stand_in_the_document() {
        let document = document(&[("a.b", " what it says")]);
        let kind = document.pointer("/components/schemas/Event/properties/type/anyOf");
        let known =
            json!([{ "const": "a.b", "description": "what it says" }, { "type": "string" }]);
        assert_eq!(kind, Some(&known));
    }

    #[test]
    fn each_method_says_the_level_of_its_caller() {
        let document = document(&[("a.b", "what it says")]);
        let levels = levels();
        for method in document["methods"].as_array().unwrap() {
            let level = levels[method["name"].as_str().unwrap()];
            assert_eq!(method["x-level"], level.name(), "{}", method["name"]);
        }
        assert_eq!(levels["rpc.discover"], Level::Read);
        assert_eq!(levels["events.unsubscribe"], levels["events.subscribe"]);
        assert_eq!(levels["search.unsubscribe"], levels["search.subscribe"]);
    }

    #[test]
    fn optional_parameters_are_not_required() {
        let document = document(&[("a.b", "what it says")]);
        let methods = document["methods"].as_array().unwrap();
        let start = methods.iter().find(|m| m["name"] == "fetch.start").unwrap();
        assert_eq!(start["params"][0]["name"], "name");
        assert_eq!(start["params"][0]["required"], true);
        assert_eq!(start["params"][1]["name"], "replace");
        assert_eq!(start["params"][1]["required"], false);
    }

    #[test]
    fn every_reference_in_the_document_resolves() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(target)) = map.get("$ref") {
                        found.push(target);
                    }
                    map.values().for_each(|v| references(v, found));
                }
                Value::Array(items) => items.iter().for_each(|v| references(v, found)),
                _ => {}
            }
        }
        let document = document(&[("a.b", "what it says")]);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for target in found {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }
}
