//! `call(method, params)` beside rhai's own `call`, which calls a function pointer.
//!
//! rhai keeps the word `call` to itself and looks at nothing else. So the word is read as another name, and functions
//! of that name do both: what is called decides.
//!
//! Non-goals: `this` inside a function that is called by its pointer.

use std::any::TypeId;

use rhai::{Dynamic, Engine, FnPtr, Token};

/// The name that `call` is read as.
pub(super) const CALL: &str = "call_method";

/// Most arguments of a function that is called by its pointer.
const ARGUMENTS_MAX: usize = 8;

/// Reads `call` as [`CALL`] and registers it for function pointers.
pub(super) fn register(engine: &mut Engine) {
    #[allow(
        deprecated,
        reason = "not deprecated, but marked so because it may change"
    )]
    engine.on_parse_token(|token, _, _| match token {
        Token::Identifier(word) | Token::Reserved(word) if *word == "call" => {
            Token::Identifier(Box::new(CALL.into()))
        }
        other => other,
    });
    for arguments in 0..=ARGUMENTS_MAX {
        let mut types = vec![TypeId::of::<FnPtr>()];
        types.resize(1 + arguments, TypeId::of::<Dynamic>());
        engine.register_raw_fn(CALL, types, |context, values| {
            let function = values[0].clone().cast::<FnPtr>();
            let arguments: Vec<Dynamic> =
                values[1..].iter().map(|value| (**value).clone()).collect();
            function.call_raw(&context, None, arguments)
        });
    }
}
