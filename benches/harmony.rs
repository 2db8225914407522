//! Cost per token of the Harmony parser; see the end of the file for what is printed.
fn main() {}
