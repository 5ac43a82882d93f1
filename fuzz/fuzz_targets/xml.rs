//! See [`isochron_fuzz::settings::xml`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isochron_fuzz::settings::xml(data));
