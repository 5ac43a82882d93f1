//! The Isochron binary: command line, roles, composition, health.
fn main() {}
