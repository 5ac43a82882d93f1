//! Development only: a load generator that drives thousands of sessions, and what it measures them with.
//!
//! `bin/floor.rs` and `bin/floor_copy.rs` are the servers that everything is compared with, `bin/bench` the benchmark
//! itself.

pub mod fleet;
pub mod floor;
pub mod measure;
pub mod report;
pub mod server;
pub mod session;
pub mod tls;
pub mod visit;
