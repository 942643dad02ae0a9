//! `anchor-sim`: runs seeds.

fn main() {}
