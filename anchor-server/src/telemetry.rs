//! Logs: structured, on stderr, and never with the text of a message in them.
//!
//! Only what this workspace itself logs: records of the `log` crate are not taken, because tungstenite puts frames there.

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

use crate::config::{Config, LogFormat};

/// Sends the logs of this process to stderr, as the configuration says, and panics with them.
pub(crate) fn install(config: &Config) -> Lines {
    let lines = match config.log_format {
        LogFormat::Human => Lines::Human,
        LogFormat::Json => Lines::Json,
        LogFormat::Auto if io::stderr().is_terminal() => Lines::Human,
        LogFormat::Auto => Lines::Json,
    };
    // The configuration checks its filter; what cannot be read is left out.
    let filter = EnvFilter::new(&config.log).add_directive(always(NOTICE));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second call, in a test of this process, keeps the first subscriber.
    let _ = match lines {
        Lines::Human => {
            let colours =
                io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
            builder.with_ansi(colours).with_target(false).try_init()
        }
        Lines::Json => builder.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(log_panic));
    lines
}

/// How the lines on stderr look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// Sentences.
    Human,
    /// One JSON object each.
    Json,
}

/// The target of what is said whatever the filter is: where the data lie, which auth mode holds, what to type next.
pub(crate) const NOTICE: &str = "anchor_server::notice";

fn always(target: &str) -> Directive {
    format!("{target}=info").parse().expect("a target and a level are a directive")
}

/// Says where the panic was. What it says itself is logged only if it stood so in the source: a formatted text may hold
/// a piece of a message.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let text =
        panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(withheld: it may quote data)");
    let thread = std::thread::current();
    tracing::error!(
        location,
        text,
        thread = thread.name().unwrap_or_default(),
        "a part of the server panicked"
    );
}
