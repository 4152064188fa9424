//! Bytes of no meaning at all: nothing panics, nothing disagrees.

use node_wire::gate;
use node_wire::value::recheck;
use node_wire::{request, response};
use proptest::collection::vec;
use proptest::prelude::*;

use super::query_answers::read;

/// Generates tags of XML-RPC in any order, with odd bytes between them.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let tags = [
        "methodCall",
        "methodName",
        "methodResponse",
        "params",
        "param",
        "value",
        "struct",
        "member",
        "name",
        "array",
        "data",
        "int",
        "i8",
        "string",
        "double",
        "boolean",
        "nil",
        "dateTime.iso8601",
        "base64",
        "fault",
    ];
    let piece = prop_oneof![
        4 => prop::sample::select(tags.to_vec()).prop_map(|tag| format!("<{tag}>").into_bytes()),
        4 => prop::sample::select(tags.to_vec()).prop_map(|tag| format!("</{tag}>").into_bytes()),
        1 => prop::sample::select(tags.to_vec()).prop_map(|tag| format!("<{tag}/>").into_bytes()),
        1 => vec(any::<u8>(), 0..6),
        1 => Just(b"2015-W45-1T10:00:00".to_vec()),
        1 => Just(b"&#13;".to_vec()),
        1 => prop::sample::select(vec!["<![CDATA[", "]]>", "]", "\u{feff}"])
            .prop_map(|mark| mark.as_bytes().to_vec()),
    ];
    let start = prop::sample::select(vec![
        "",
        "<?xml version='1.0' encoding='latin1'?>",
        "<?xml version='1.0' encoding='shift_jis'?>",
        "\u{feff}\n",
    ]);
    (start, vec(piece, 0..40), any::<bool>()).prop_map(|(start, pieces, wide)| {
        let bytes = [start.as_bytes(), &pieces.concat()].concat();
        if wide {
            // UTF-16, of whatever it is.
            bytes.iter().flat_map(|byte| [*byte, 0]).collect()
        } else {
            bytes
        }
    })
}

fn all_readers(bytes: &[u8]) {
    let passes = gate::check(bytes).is_ok();
    let call = request::read(bytes);
    assert!(passes || call.is_err());
    if let Ok(call) = call {
        assert!(call.params.iter().all(|value| recheck(value).is_ok()));
        assert_eq!(request::read(&request::write(&call)), Ok(call));
    }
    let answer = response::read(bytes);
    assert!(passes || answer.is_err());
    if let Ok(Ok(value)) = answer {
        assert_eq!(recheck(&value), Ok(()));
        assert!(gate::check(&response::value(&value)).is_ok());
    }
    let _ = read([bytes]);
}

proptest! {
    #[test]
    fn bytes_are_judged_without_panic(bytes in vec(any::<u8>(), 0..200)) {
        all_readers(&bytes);
    }

    #[test]
    fn soup_is_judged_without_panic(bytes in soup()) {
        all_readers(&bytes);
    }

    #[test]
    fn values_of_soup_are_judged_without_panic(bytes in soup()) {
        let call = [b"<methodCall><methodName>m</methodName><params><param><value>", &bytes[..],
            b"</value></param></params></methodCall>"].concat();
        all_readers(&call);
        let answer = [b"<methodResponse><params><param><value>", &bytes[..],
            b"</value></param></params></methodResponse>"].concat();
        all_readers(&answer);
    }
}
