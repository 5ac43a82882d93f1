//! See [`isochron_fuzz::auth_block`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::auth_block(data));
