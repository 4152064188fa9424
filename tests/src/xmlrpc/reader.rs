//! Reads answers.

use super::{CallError, Value, base64};

/// Reads the value of an answer, or its fault.
pub(super) fn response(body: &str) -> Result<Value, CallError> {
    let text = body.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader { rest: &text };
    parse(&mut reader).map_err(|reason| {
        let shown: String = body.chars().take(300).collect();
        CallError::Transport(format!("{reason} in {shown:?}"))
    })?
}

fn parse(reader: &mut Reader<'_>) -> Result<Result<Value, CallError>, String> {
    reader.skip_prolog();
    reader.expect("<methodResponse>")?;
    if reader.eat("<fault>") {
        let fault = reader.value()?;
        reader.expect("</fault>")?;
        reader.end()?;
        return fault_of(&fault).map(Err);
    }
    reader.expect("<params>")?;
    reader.expect("<param>")?;
    let value = reader.value()?;
    reader.expect("</param>")?;
    reader.expect("</params>")?;
    reader.end()?;
    Ok(Ok(value))
}

fn fault_of(value: &Value) -> Result<CallError, String> {
    match (value.get("faultCode"), value.get("faultString")) {
        (Some(Value::Int(code)), Some(Value::Text(text))) => Ok(CallError::Fault {
            code: *code,
            text: text.clone(),
        }),
        _ => Err(format!("a fault of {value:?}")),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip_prolog(&mut self) {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with("<?xml") {
            self.rest = self.rest.split_once("?>").map_or("", |(_, rest)| rest);
        }
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest.trim_start().strip_prefix(token);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        self.eat(token)
            .then_some(())
            .ok_or_else(|| format!("no {token}"))
    }

    fn end(&mut self) -> Result<(), String> {
        self.expect("</methodResponse>")?;
        self.rest
            .trim()
            .is_empty()
            .then_some(())
            .ok_or_else(|| "text after the end".to_owned())
    }

    /// Reads text up to a closing tag, decoded.
    fn text_until(&mut self, close: &str) -> Result<String, String> {
        let (text, rest) = self
            .rest
            .split_once(close)
            .ok_or_else(|| format!("no {close}"))?;
        self.rest = rest;
        decode(text)
    }

    fn value(&mut self) -> Result<Value, String> {
        if self.eat("<value/>") {
            return Ok(Value::text(""));
        }
        self.expect("<value>")?;
        if !self.rest.trim_start().starts_with('<') || self.rest.trim_start().starts_with("</") {
            return self.text_until("</value>").map(Value::Text);
        }
        self.eat("<");
        let (tag, rest) = self.rest.split_once('>').ok_or("an open tag")?;
        self.rest = rest;
        let value = match tag.strip_suffix('/') {
            Some(empty) => empty_value(empty),
            None => self.typed(tag)?,
        };
        self.expect("</value>")?;
        Ok(value)
    }

    fn typed(&mut self, tag: &str) -> Result<Value, String> {
        match tag {
            "array" => return self.list(),
            "struct" => return self.members(),
            _ => {}
        }
        let text = self.text_until(&format!("</{tag}>"))?;
        let wrong = || format!("<{tag}> of {text:?}");
        Ok(match tag {
            "string" => Value::Text(text),
            "int" | "i4" | "i8" => Value::Int(text.trim().parse().map_err(|_| wrong())?),
            "double" => Value::Double(text.trim().parse().map_err(|_| wrong())?),
            "boolean" => Value::Bool(text.trim() == "1"),
            "base64" => Value::Bytes(base64::decode(&text).ok_or_else(wrong)?),
            _ => Value::Other(tag.to_owned()),
        })
    }

    fn list(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        if !self.eat("<data/>") {
            self.expect("<data>")?;
            while !self.eat("</data>") {
                items.push(self.value()?);
            }
        }
        self.expect("</array>")?;
        Ok(Value::List(items))
    }

    fn members(&mut self) -> Result<Value, String> {
        let mut members = Vec::new();
        while !self.eat("</struct>") {
            self.expect("<member>")?;
            self.expect("<name>")?;
            let name = self.text_until("</name>")?;
            members.push((name, self.value()?));
            self.expect("</member>")?;
        }
        Ok(Value::Map(members))
    }
}

fn empty_value(tag: &str) -> Value {
    match tag {
        "string" => Value::text(""),
        "base64" => Value::Bytes(Vec::new()),
        "array" => Value::List(Vec::new()),
        "struct" => Value::Map(Vec::new()),
        other => Value::Other(other.to_owned()),
    }
}

fn decode(text: &str) -> Result<String, String> {
    let mut decoded = String::new();
    let mut parts = text.split('&');
    decoded.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (name, rest) = part.split_once(';').ok_or("a bare &")?;
        decoded.push(character(name).ok_or_else(|| format!("&{name};"))?);
        decoded.push_str(rest);
    }
    Ok(decoded)
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
