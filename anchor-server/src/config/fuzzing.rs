//! What must hold for any flags, variables and file.
//!
//! [`configuration`] is the body of a `cargo fuzz` target in `fuzz/` and of the property tests in `tests`. Not a part of the
//! API: here only under the feature `fuzzing`, and in tests of this crate.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::settings::{options_command, variable_of};
use super::{CommandLine, Config, ConfigError, Layers, Place};

/// Reads an input as a configuration: lines that begin with `-` are arguments, those that begin with `$` variables
/// (`$NAME=value`), the rest is a file, which is laid at `file`. It is refused with the key that is wrong and the place
/// where it stands; or every key of it is one that there is, every value is within its bounds, and a higher source beats a
/// lower one.
///
/// # Panics
/// Where that does not hold, and if `file` cannot be written.
pub fn configuration(file: &Path, input: &[u8]) {
    let sources = Sources::of(input);
    fs::write(file, &sources.text).expect("the file can be written");
    match sources.resolve(file, &[]) {
        Err(error) => check_error(&sources, file, &error),
        Ok(config) => {
            check(&config);
            check_keys(&sources);
            check_order(&sources, file, &config);
        }
    }
}

/// Configurations, right and wrong, that name every option.
#[must_use]
pub fn configuration_samples() -> Vec<(String, Vec<u8>)> {
    let samples: [(&str, &str); 14] = [
        ("example", include_str!("../../anchor.example.toml")),
        (
            "network",
            "listen = \"[::1]:7000\"\nallow-origin = [\"https://a.example\", \"*\"]\nmax-connections = 12\n",
        ),
        (
            "data",
            "data = \"elsewhere\"\ndisk-reserve = \"2GiB\"\ncreate-rooms = false\nauth = \"open\"\nadmin = [\"ada\"]\n",
        ),
        ("stop", "drain = \"250ms\"\nback-in = \"1m\"\nreturn-rate = 7\n"),
        (
            "webhooks",
            "webhook-allow = [\"10.0.0.0/8\", \"hooks.internal\"]\nwebhook-http = true\nwebhook-connect = \"1s\"\nwebhook-timeout = \"3s\"\n",
        ),
        ("log", "log = \"warn,anchor_core=debug\"\nlog-format = \"json\"\n"),
        (
            "variables",
            "$ANCHOR_LISTEN=localhost:0\n$ANCHOR_ALLOW_ORIGIN=http://a,http://b\n$ANCHOR_DRAIN=1h\n$PATH=x\n",
        ),
        ("flags", "--listen=0.0.0.0:1\n--create-rooms\n--max-connections=3\n--log\ninfo\n"),
        ("layers", "--back-in=2s\n$ANCHOR_BACK_IN=3s\n$ANCHOR_LOG=info\nback-in = \"4s\"\nlog = \"off\"\n"),
        ("command", "-restore\n--data=x\n"),
        ("help", "--help\n"),
        ("empty-list", "allow-origin = []\n"),
        ("tables", "[server]\nlisten = 1\n[[log]]\n"),
        ("types", "drain = 1.5\nback-in = 1979-05-27\nlog = {a = 1}\n\"log-format\" = '''auto'''\n"),
    ];
    samples.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into()
}

/// An input, sorted into its sources.
struct Sources {
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    text: Vec<u8>,
}

impl Sources {
    fn of(input: &[u8]) -> Self {
        let (mut arguments, mut variables, mut text) = (Vec::new(), Vec::new(), Vec::new());
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            let bare = line.strip_suffix(b"\n").unwrap_or(line);
            match bare.first() {
                Some(b'-') => arguments.push(os(bare)),
                Some(b'$') => {
                    let (name, value) =
                        bare[1..].split_at(bare[1..].iter().position(|b| *b == b'=').unwrap_or(0));
                    variables.push((os(name), os(value.strip_prefix(b"=").unwrap_or(value))));
                }
                _ => text.extend_from_slice(line),
            }
        }
        Self { arguments, variables, text }
    }

    /// The configuration, with further arguments in front.
    fn resolve(&self, file: &Path, further: &[&str]) -> Result<Config, ConfigError> {
        let mut arguments = vec![OsString::from("anchor-server")];
        arguments.extend(further.iter().map(OsString::from));
        arguments.extend(self.arguments.iter().cloned());
        let flags = CommandLine::parse_arguments(arguments)?;
        let file = (OsString::from("ANCHOR_CONFIG"), file.into());
        Layers::new(flags, [file].into_iter().chain(self.variables.iter().cloned())).resolve()
    }

    /// The keys of the file; none of what is no TOML.
    fn keys(&self) -> Vec<String> {
        let text = std::str::from_utf8(&self.text).unwrap_or_default();
        let table: toml::Table = text.parse().unwrap_or_default();
        table.into_iter().map(|(key, _)| key).collect()
    }

    fn has_flag(&self, flag: &str) -> bool {
        self.arguments.iter().any(|argument| argument.to_string_lossy().starts_with(flag))
    }
}

fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// Every value is what its option allows.
fn check(config: &Config) {
    assert!((1..=10_000_000).contains(&config.connections_max));
    assert!(config.returns_per_second > 0);
    let day = Duration::from_secs(24 * 3_600);
    assert!(config.drain_within <= day && config.back_in <= day);
    assert!(EnvFilter::try_new(&config.log).is_ok());
    assert!(config.auth_mode().is_ok() || !config.listen.ip().is_loopback());
}

/// Nothing was passed over: what is not an option is refused, not ignored.
fn check_keys(sources: &Sources) {
    let command = options_command();
    let options: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    for key in sources.keys() {
        assert!(options.contains(&key.as_str()), "the key {key:?} was taken");
    }
    for (name, value) in &sources.variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with("ANCHOR_")) else { continue };
        let known = options.iter().any(|option| variable_of(option) == name);
        let others = ["ANCHOR_CONFIG", "ANCHOR_SERVER", "ANCHOR_USER", "ANCHOR_STATE"];
        let other = others.contains(&name) || name.starts_with("ANCHOR_TEST_");
        assert!(known || other || value.is_empty(), "the variable {name} was taken");
    }
}

/// A flag beats whatever else there is, and changes nothing but its own option.
fn check_order(sources: &Sources, file: &Path, config: &Config) {
    if sources.has_flag("--max-connections") {
        return;
    }
    let changed =
        sources.resolve(file, &["--max-connections=4321"]).expect("a flag that is right breaks nothing");
    assert_eq!(changed, Config { connections_max: 4321, ..config.clone() });
}

/// The key and its place are named, and both are there.
fn check_error(sources: &Sources, file: &Path, error: &ConfigError) {
    let message = error.to_string();
    assert!(!message.is_empty());
    match error {
        ConfigError::UnknownKey { place, .. } | ConfigError::Value { place, .. } => {
            assert!(message.starts_with(&place.to_string()), "{message}");
            match place {
                Place::Variable(name) => {
                    assert!(sources.variables.iter().any(|(known, _)| known == name.as_str()), "{message}");
                }
                Place::File { path, key } => {
                    assert!(path == file && sources.keys().contains(key), "{message}");
                }
            }
        }
        ConfigError::Unreadable { .. } | ConfigError::NoToml { .. } | ConfigError::Flags(_) => {}
    }
}

#[cfg(test)]
mod tests;
