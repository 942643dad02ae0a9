//! Webhooks at work, with receivers on this machine.

mod changing;
mod dead;
mod delivering;
mod ending;
mod failing;
mod full;
mod reading;
mod redacting;
