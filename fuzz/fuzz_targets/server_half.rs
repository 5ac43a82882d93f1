//! See [`isochron_fuzz::server_half`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::server_half(data));
