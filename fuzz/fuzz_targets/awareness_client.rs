//! See [`isochron_fuzz::awareness_client`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::awareness_client(data));
