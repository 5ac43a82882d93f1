//! See [`isochron_fuzz::client_half`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::client_half(data));
