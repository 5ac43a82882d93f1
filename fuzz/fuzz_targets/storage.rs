//! See [`isochron_fuzz::storage`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::storage(data));
