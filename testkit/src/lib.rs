//! Development only: client drivers and server starters for tests and benchmarks.
