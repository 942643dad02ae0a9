//! The examples that need nothing around them, from end to end.

mod hello_embedded;
mod moderation;
