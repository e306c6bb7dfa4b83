//! What comes with descriptors from anybody: no bytes may do harm, and what is accepted says the
//! same when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shmkit::os::handover::{decode, encode};

fuzz_target!(|message: &[u8]| {
    if let Some(descriptions) = decode(message) {
        assert_eq!(decode(&encode(&descriptions)), Some(descriptions));
    }
});
