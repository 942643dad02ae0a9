//! `anchor-sim`: runs seeds, and tells of each that failed how to run it again.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anchor_sim::{Options, Report, run};
use clap::Parser;

/// Runs clients, servers, disks and networks that fail, in virtual time; the same seed does the same again.
#[derive(Debug, Parser)]
#[command(name = "anchor-sim", version, after_help = EXIT_CODES_HELP)]
struct Args {
    /// Which run; without it `--seeds` many.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// How many runs.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Publishes of all clients of a run together.
    #[arg(long, default_value_t = Options::default().steps)]
    steps: u64,
    /// Prints the whole trace; needs `--seed`.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Runs at once [default: one for each processor].
    #[arg(long)]
    jobs: Option<usize>,
}

/// The end of `--help`.
const EXIT_CODES_HELP: &str = "\
Exit codes:
  0  every run held
  1  a run broke a promise, or the output cannot be written
  2  an option is wrong";

fn main() -> ExitCode {
    let args = Args::parse();
    match sail(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever read the output wants no more of it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("anchor-sim: cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what was asked for; true if everything held.
fn sail(args: &Args) -> io::Result<bool> {
    let lines = if args.trace { usize::MAX } else { Options::default().trace_lines };
    let options = Options { steps: args.steps, trace_lines: lines };
    match args.seed {
        Some(seed) => {
            let report = run(seed, &options);
            tell(&mut io::stdout().lock(), &report, args.steps, args.trace)?;
            Ok(report.is_good())
        }
        None => run_many(args, &options),
    }
}

fn run_many(args: &Args, options: &Options) -> io::Result<bool> {
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let (next, begun) = (AtomicU64::new(0), Instant::now());
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1))
            .map(|_| {
                scope.spawn(|| -> io::Result<()> {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= args.seeds {
                            return Ok(());
                        }
                        let report = run(args.from.saturating_add(number), options);
                        let mut sum = sum.lock().expect("nobody panics while holding it");
                        sum.add(&report);
                        if !report.is_good() {
                            tell(&mut io::stdout().lock(), &report, args.steps, false)?;
                        }
                        sum.show_progress(args.seeds)?;
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a run's panics are caught"))
    })?;
    let sum = sum.into_inner().expect("nobody panics while holding it");
    let took = begun.elapsed();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} runs in {:.1} s: {} publishes, {} acks, {} events seen, {} gaps, {} beats, {} mishaps, {} h of virtual time; \
         {} failed",
        sum.runs,
        took.as_secs_f64(),
        sum.publishes,
        sum.acks,
        sum.seen,
        sum.gaps,
        sum.beats,
        sum.mishaps,
        sum.virtual_s / 3600,
        sum.failed.len()
    )?;
    if !sum.failed.is_empty() {
        writeln!(out, "failed: {:?}", sum.failed)?;
    }
    Ok(sum.failed.is_empty())
}

#[derive(Default)]
struct Sum {
    runs: u64,
    publishes: u64,
    acks: u64,
    seen: u64,
    gaps: u64,
    beats: u64,
    mishaps: u64,
    virtual_s: u64,
    failed: Vec<u64>,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.publishes += report.counts.publishes;
        self.acks += report.counts.acks;
        self.seen += report.counts.seen;
        self.gaps += report.counts.gaps;
        self.beats += report.counts.beats;
        self.mishaps += report.mishaps;
        self.virtual_s += report.took.as_secs();
        if !report.is_good() {
            self.failed.push(report.seed);
        }
    }

    fn show_progress(&self, all: u64) -> io::Result<()> {
        let mut err = io::stderr().lock();
        if err.is_terminal() {
            write!(err, "\r{} of {all} runs, {} failed ", self.runs, self.failed.len())?;
            if self.runs == all {
                writeln!(err)?;
            }
        }
        Ok(())
    }
}

/// Tells of a run: all of it, or what was broken and the last that happened before.
fn tell(out: &mut impl Write, report: &Report, steps: u64, whole: bool) -> io::Result<()> {
    if whole || !report.is_good() {
        if report.lines_dropped > 0 {
            writeln!(out, "... {} lines before these", report.lines_dropped)?;
        }
        for line in &report.lines {
            writeln!(out, "{line}")?;
        }
    }
    for violation in &report.violations {
        writeln!(out, "BROKEN: {violation}")?;
    }
    writeln!(out, "{report}")?;
    if !report.is_good() {
        let seed = report.seed;
        writeln!(out, "again: cargo run --release -p anchor-sim -- --seed {seed} --steps {steps} --trace")?;
    }
    Ok(())
}
