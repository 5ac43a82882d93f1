//! See [`isochron_fuzz::settings::ini`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::settings::ini(data));
