//! Checks of JSON against a JSON Schema, as far as schemas of this project go.
//!
//! A key that this does not know is an error, so that no check is left out silently.

use serde_json::Value;

/// Keys that say nothing about what is valid.
const REMARKS: [&str; 6] = [
    "$schema",
    "title",
    "description",
    "default",
    "format",
    "definitions",
];

/// A schema with its definitions.
#[derive(Clone, Copy, Debug)]
pub struct Schema<'a>(&'a Value);

impl<'a> Schema<'a> {
    /// Takes a whole schema, whose references begin at its top.
    pub fn new(root: &'a Value) -> Schema<'a> {
        Schema(root)
    }

    /// Checks a value against the definition of a name.
    ///
    /// # Errors
    /// Errors with the place in the value, and what is wrong there.
    pub fn check(&self, definition: &str, value: &Value) -> Result<(), String> {
        let pointer = format!("/definitions/{definition}");
        let schema = self.0.pointer(&pointer);
        let schema = schema.ok_or_else(|| format!("there is no definition {definition}"))?;
        self.holds(schema, value, definition)
    }

    fn holds(&self, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        let Value::Object(keys) = schema else {
            let is_right = schema == &Value::Bool(true);
            return is_right
                .then_some(())
                .ok_or_else(|| format!("{place}: not allowed"));
        };
        for (key, said) in keys {
            self.key(key, said, (schema, value), place)?;
        }
        Ok(())
    }

    fn key(
        &self,
        key: &str,
        said: &Value,
        (schema, value): (&Value, &Value),
        place: &str,
    ) -> Result<(), String> {
        match key {
            _ if REMARKS.contains(&key) => Ok(()),
            "$ref" => {
                let pointer = said.as_str().and_then(|text| text.strip_prefix('#'));
                let target = pointer.and_then(|pointer| self.0.pointer(pointer));
                let target = target.ok_or_else(|| format!("{place}: {said} leads nowhere"))?;
                self.holds(target, value, place)
            }
            "allOf" => {
                let mut all = list(said).iter();
                all.try_for_each(|schema| self.holds(schema, value, place))
            }
            "anyOf" | "oneOf" => {
                let all = list(said).iter();
                let all = all.map(|schema| self.holds(schema, value, place));
                let failures: Vec<String> = all.filter_map(Result::err).collect();
                let is_right = failures.len() < list(said).len();
                is_right.then_some(()).ok_or_else(|| failures.join("; or "))
            }
            "properties" | "additionalProperties" => {
                self.members(key, said, (schema, value), place)
            }
            "items" => list(value).iter().enumerate().try_for_each(|(at, item)| {
                let schema = said.get(at).filter(|_| said.is_array()).unwrap_or(said);
                self.holds(schema, item, &format!("{place}[{at}]"))
            }),
            _ => plain(key, said, value).map_err(|what| format!("{place}: {value} {what} {said}")),
        }
    }

    fn members(
        &self,
        key: &str,
        said: &Value,
        (schema, value): (&Value, &Value),
        place: &str,
    ) -> Result<(), String> {
        let mut members = value.as_object().into_iter().flatten();
        members.try_for_each(|(name, member)| {
            let described = schema["properties"].get(name.as_str());
            let of_key = if key == "properties" {
                described
            } else {
                Some(said).filter(|_| described.is_none())
            };
            of_key.map_or(Ok(()), |schema| {
                self.holds(schema, member, &format!("{place}.{name}"))
            })
        })
    }
}

/// Checks a value against a key that needs no other schema. The error is the reason, in front of what the key says.
fn plain(key: &str, said: &Value, value: &Value) -> Result<(), &'static str> {
    let length = list(value).len() as u64;
    let has = |name: &Value| value.get(name.as_str().unwrap_or_default()).is_some();
    let (is_right, what) = match key {
        "type" => (is_of_type(said, value), "is not of type"),
        "const" => (value == said, "is not"),
        "enum" => (list(said).contains(value), "is none of"),
        "minimum" => (
            !value.is_number() || value.as_f64() >= said.as_f64(),
            "is less than",
        ),
        "maximum" => (
            !value.is_number() || value.as_f64() <= said.as_f64(),
            "is more than",
        ),
        "minItems" => (
            !value.is_array() || Some(length) >= said.as_u64(),
            "is shorter than",
        ),
        "maxItems" => (
            !value.is_array() || Some(length) <= said.as_u64(),
            "is longer than",
        ),
        "required" => (
            !value.is_object() || list(said).iter().all(has),
            "has not all of",
        ),
        _ => (false, "meets a key that is not known here, with"),
    };
    is_right.then_some(()).ok_or(what)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is_of_type(said: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match said {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_found() {
        let root = json!({ "definitions": {
            "name": { "type": "string" },
            "pair": { "type": "array", "items": [{ "type": "integer" }, { "type": "string" }] },
            "all": {
                "type": "object",
                "required": ["a"],
                "properties": {
                    "a": { "$ref": "#/definitions/name" },
                    "b": { "anyOf": [{ "const": 1 }, { "enum": ["x", null] }] },
                },
                "additionalProperties": { "type": "boolean" },
            },
            "odd": { "pattern": "x" },
        }});
        let schema = Schema::new(&root);
        for right in [json!({ "a": "" }), json!({ "a": "", "b": null, "c": true })] {
            assert_eq!(schema.check("all", &right), Ok(()));
        }
        for wrong in [
            json!([]),
            json!({}),
            json!({ "a": 1 }),
            json!({ "a": "", "b": 2 }),
            json!({ "a": "", "c": 1 }),
        ] {
            assert!(schema.check("all", &wrong).is_err(), "{wrong}");
        }
        assert_eq!(schema.check("pair", &json!([1, "a"])), Ok(()));
        assert!(schema.check("pair", &json!(["a", 1])).is_err());
        assert!(
            schema.check("odd", &json!("x")).is_err(),
            "a key that it does not know"
        );
    }
}
