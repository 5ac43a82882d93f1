//! Settings: what they are, where each value came from, one report of all faults.
