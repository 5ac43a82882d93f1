//! See [`isochron_fuzz::resolve`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::resolve(data));
