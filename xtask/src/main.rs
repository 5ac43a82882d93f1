//! Development tasks. fn main
fn main() {}
