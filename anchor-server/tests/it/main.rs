//! The server from outside: the real binary and real sockets on port 0, and in-process where a part is replaced.

mod drain;
mod failure;
mod handshake;
mod hostile;
mod library;
mod refuse;
mod start;
mod support;
