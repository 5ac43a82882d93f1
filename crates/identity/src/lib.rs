//! Who someone is: name and proof to a person; names to people and groups.
