//! Any bytes as a frame from a gate, an answer of the sidecar, and a line of the ledger.
#![no_main]

use audit_event::{chain, frame};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(request) = frame::decode_request(data) {
        let encoded = frame::encode_request(&request).expect("what was read can be written");
        let again = frame::decode_request(encoded.get(4..).expect("behind the length"));
        let again = frame::encode_request(&again.expect("what was written can be read"));
        assert_eq!(again.expect("and written again"), encoded);
    }
    let _answer = frame::decode_response(data);
    let _line = chain::Line::read(data);
});
