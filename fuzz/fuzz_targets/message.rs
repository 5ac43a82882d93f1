//! See [`isochron_fuzz::message`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::message(data));
