//! Keys and certificates: from files to certified keys, and back.
