//! See [`isochron_fuzz::frame`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::frame(data));
