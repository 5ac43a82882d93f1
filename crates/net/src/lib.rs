//! From socket to clean byte stream: accept, limits, first-byte detection, TLS.
//!
//! This room never looks inside a Sametime message.
#![forbid(unsafe_code)]

pub mod accept;
pub mod detect;
pub mod listen;
pub mod probe;
pub mod sessions;
pub mod stream;
pub mod suites;
pub mod tls;

pub use stream::Stream;
