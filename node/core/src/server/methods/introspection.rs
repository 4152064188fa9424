//! The `system.…` methods that describe the others.

use node_wire::{Fault, Value, escape::escaped, methods};

use crate::server::answer::{Answer, Answered};

pub(super) fn list_methods(params: &[Value]) -> Answered {
    none(params)?;
    Ok(Answer::Value(methods::names()))
}

pub(super) fn get_capabilities(params: &[Value]) -> Answered {
    none(params)?;
    Ok(Answer::Value(methods::capabilities()))
}

pub(super) fn method_help(params: &[Value]) -> Answered {
    named(params).map(|method| Answer::Value(method.help.into()))
}

pub(super) fn method_signature(params: &[Value]) -> Answered {
    named(params).map(|method| Answer::Value(method.signatures_value()))
}

fn none(params: &[Value]) -> Result<(), Fault> {
    if params.is_empty() {
        Ok(())
    } else {
        Err(Fault::invalid_params("This method takes no parameters"))
    }
}

fn named(params: &[Value]) -> Result<&'static methods::Method, Fault> {
    let [Value::String(name)] = params else {
        return Err(Fault::invalid_params(
            "This method takes the name of a method",
        ));
    };
    methods::find(name)
        .ok_or_else(|| Fault::invalid_params(&format!("There is no method {}", escaped(name))))
}
