//! The smallest example, from end to end.

mod hello_embedded;
