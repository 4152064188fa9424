//! `sixhop.introduce(struct)`: two nodes meet and prove their identities to each other.

use node_overlay::{Cause, Telling};
use node_wire::{Introduce, Value};

use crate::server::{
    Context,
    answer::{Answer, Answered},
    rpc::Caller,
};

pub(super) fn answer(context: &Context, caller: &Caller, params: &[Value]) -> Answered {
    context.counters.introductions_received.one();
    let introduce = Introduce::from_params(params)?;
    let by = Cause {
        address: caller.remote.ip(),
        id: caller.remote.id,
    };
    let own = context.overlay.own_urls().at(caller.local);
    let telling = if caller.is_member {
        Telling::All
    } else {
        Telling::WhoItIs
    };
    let introduced = context.overlay.introduced(&introduce, &own, by, telling)?;
    Ok(Answer::Value(introduced.to_value()))
}
