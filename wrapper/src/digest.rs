//! SHA-256 in hexadecimal digits, as it stands in events and pins.

use sha2::{Digest, Sha256};

/// Longer ones are worth the question whether the processor has instructions for this. In a virtual machine the hypervisor answers it,
/// which takes as long as the digest of so many bytes without them.
const SHORT: usize = 8 << 10;

/// The digest of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    if bytes.len() <= SHORT {
        base16ct::lower::encode_string(&hmac_sha256::Hash::hash(bytes))
    } else {
        base16ct::lower::encode_string(&Sha256::digest(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ways_say_the_same(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            times in prop_oneof![Just(1_usize), Just(100)],
        ) {
            let bytes = bytes.repeat(times);
            prop_assert_eq!(hex(&bytes), base16ct::lower::encode_string(&Sha256::digest(&bytes)));
        }
    }

    #[test]
    fn the_standards_examples() {
        // FIPS 180-4, as published with it by NIST.
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(b"abc"), of_abc);
        let of_a_million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        assert_eq!(hex(&[b'a'; 1_000_000]), of_a_million);
    }
}
