//! See [`isochron_fuzz::stores::store`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::stores::store(data));
