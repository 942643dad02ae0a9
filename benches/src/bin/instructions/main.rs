//! How many instructions do the hot paths cost? Does one of them so many times, to be counted from outside.
//!
//! `scripts/instructions` runs this under callgrind, which counts while [`counted`] runs and nothing else, and compares
//! with `benches/instructions.json`. Unlike time, the count does not depend on what else the machine does.
//!
//! One thread, a clock that stands still, seeded dice, stores in memory. Left out: sockets, WebSocket frames, system calls,
//! waking of threads; and what a processor makes of instructions, as caches and branches decide. Each path is warm: it was
//! done before the count begins, on the same data.

mod codec;
mod resume;
mod session;
mod store;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

/// A path through the code that is counted.
struct Path {
    name: &'static str,
    /// What one operation is.
    per: &'static str,
    /// How many are counted together.
    operations: usize,
    /// Makes everything ready; the result does the operations.
    prepare: fn(usize) -> Box<dyn FnMut()>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let paths = || [session::PATHS, resume::PATHS, store::PATHS, codec::PATHS].into_iter().flatten();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => {
            let mut out = io::stdout().lock();
            for Path { name, per, operations, .. } in paths() {
                if writeln!(out, "{name}\t{per}\t{operations}").is_err() {
                    return ExitCode::FAILURE;
                }
            }
            ExitCode::SUCCESS
        }
        [name] => match paths().find(|path| path.name == name) {
            Some(path) => {
                let mut run = (path.prepare)(path.operations);
                counted(&mut *run);
                ExitCode::SUCCESS
            }
            None => usage(),
        },
        _ => usage(),
    }
}

/// What is counted: callgrind knows this function by its name.
#[inline(never)]
fn counted(run: &mut dyn FnMut()) {
    run();
    // Keeps the call above from becoming a jump, which callgrind would not see the end of.
    std::hint::black_box(());
}

fn usage() -> ExitCode {
    eprintln!("usage: instructions --list | instructions PATH");
    ExitCode::from(2)
}
