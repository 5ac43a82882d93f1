//! See [`isochron_fuzz::stores::certificate`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::stores::certificate(data));
