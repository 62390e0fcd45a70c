//! The `postround` command.
fn main() {}
