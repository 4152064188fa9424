//! `sixhop.more`: the rest of a search.

use std::collections::BTreeMap;

use super::{bounded, call, number, read_wait};
use crate::fault::Fault;
use crate::limits::CURSOR_MAX;
use crate::methods::MORE;
use crate::request::MethodCall;
use crate::value::Value;

/// `sixhop.more(struct)`: more hits of a search that [`Find`](super::Find)
/// began. The answer comes as soon as there are some, when the search is over,
/// or after the wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct More {
    /// The cursor of the answer before; as sent, unchecked.
    pub cursor: String,
    /// The time to wait for hits, in milliseconds; at most
    /// [`FIND_WAIT_MAX`](crate::limits::FIND_WAIT_MAX).
    pub wait: u32,
}

/// Milliseconds that a caller waits if it gives no time.
const WAIT: u32 = 2_000;

impl More {
    /// Reads the parameters of a call.
    ///
    /// # Errors
    /// Fault -32602.
    pub fn from_params(params: &[Value]) -> Result<Self, Fault> {
        let [Value::Struct(members)] = params else {
            return Err(Fault::invalid_params("sixhop.more takes one struct"));
        };
        let cursor = bounded(members, "cursor", CURSOR_MAX)?
            .ok_or_else(|| Fault::invalid_params("sixhop.more takes a `cursor`"))?;
        Ok(Self {
            cursor,
            wait: read_wait(members, "wait")?.unwrap_or(WAIT),
        })
    }

    /// Returns the XML-RPC call of this message.
    #[must_use]
    pub fn to_call(&self) -> MethodCall {
        let members = BTreeMap::from([
            ("cursor".to_owned(), self.cursor.as_str().into()),
            ("wait".to_owned(), number(self.wait.into())),
        ]);
        call(MORE, vec![Value::Struct(members)])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::FIND_WAIT_MAX;

    proptest! {
        #[test]
        fn a_call_reads_back(cursor in "[ -~]{0,64}", wait in 0..=FIND_WAIT_MAX) {
            let more = More { cursor, wait };
            prop_assert_eq!(More::from_params(&more.to_call().params), Ok(more));
        }
    }

    #[test]
    fn a_call_without_a_cursor_is_refused() {
        assert!(More::from_params(&[Value::Struct(BTreeMap::new())]).is_err());
        assert!(More::from_params(&[]).is_err());
    }
}
