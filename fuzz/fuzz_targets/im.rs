//! See [`isochron_fuzz::im`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::im(data));
