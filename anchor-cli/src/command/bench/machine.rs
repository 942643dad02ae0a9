//! The machine on which figures were taken: without it they mean nothing.

use std::fs;
use std::thread::available_parallelism;

use serde_json::{Value, json};

/// What the system tells about it; null where it does not.
pub(super) fn told() -> Value {
    json!({
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "kernel": read("/proc/sys/kernel/osrelease"),
        "processor": field("/proc/cpuinfo", "model name"),
        "processors": available_parallelism().ok().map(usize::from),
        "memory": field("/proc/meminfo", "MemTotal"),
        "load": read("/proc/loadavg"),
    })
}

/// The same in a line for people.
pub(super) fn line() -> String {
    let told = told();
    let word = |name: &str| match &told[name] {
        Value::String(text) => text.clone(),
        Value::Null => "?".to_owned(),
        other => other.to_string(),
    };
    format!(
        "{} processors ({}), memory {}, {} {}, load {}",
        word("processors"),
        word("processor"),
        word("memory"),
        word("system"),
        word("kernel"),
        word("load"),
    )
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
