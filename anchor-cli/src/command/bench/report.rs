//! What a scenario has found, for people and for programs.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::check::Faults;
use super::gauge::{Sample, Times};
use super::machine;
use crate::escape;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Settings and figures, in the order in which they are shown. A name ends with its unit.
#[derive(Debug)]
pub(super) struct Report {
    scenario: &'static str,
    settings: Vec<(String, Value)>,
    figures: Vec<(String, Value)>,
    /// For a table of all scenarios: what was measured, and what came out.
    headlines: Vec<(String, String)>,
    faults: Faults,
}

impl Report {
    pub(super) fn new(scenario: &'static str, faults: Faults) -> Self {
        Self { scenario, settings: Vec::new(), figures: Vec::new(), headlines: Vec::new(), faults }
    }

    /// Adds what was asked for.
    pub(super) fn setting(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a number that was computed, rounded to what means something.
    pub(super) fn number(&mut self, name: &str, number: f64) -> &mut Self {
        let value = match number.is_finite() {
            true => json!(rounded(number)),
            false => Value::Null,
        };
        self.figures.push((name.to_owned(), value));
        self
    }

    /// Adds a number that the system may not tell.
    pub(super) fn maybe(&mut self, name: &str, number: Option<f64>) -> &mut Self {
        self.number(name, number.unwrap_or(f64::NAN))
    }

    /// Adds a distribution, in milliseconds.
    pub(super) fn times(&mut self, name: &str, times: &Times) -> &mut Self {
        if times.count() > 0 {
            for (percentile, percent) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)] {
                self.figures
                    .push((format!("{name}_{percentile}_ms"), json!(millis(times.percentile(percent)))));
            }
            self.figures.push((format!("{name}_max_ms"), json!(millis(times.max()))));
        }
        self
    }

    /// Adds what `per` things cost, of those done between two samples.
    pub(super) fn costs(&mut self, from: &Sample, to: &Sample, thing: &str, per: u64) -> &mut Self {
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / per as f64;
        let server = to.server.zip(from.server).map(|(to, from)| micros(to.saturating_sub(from)));
        self.maybe(&format!("server_cpu_us_per_{thing}"), server);
        self.number(&format!("bench_cpu_us_per_{thing}"), micros(to.own.saturating_sub(from.own)))
    }

    /// Adds the shares of a processor that were used between two samples.
    pub(super) fn load(&mut self, from: &Sample, to: &Sample) -> &mut Self {
        let time = to.at.since(from.at).as_secs_f64();
        let server =
            to.server.zip(from.server).map(|(to, from)| to.saturating_sub(from).as_secs_f64() / time);
        self.maybe("server_cpus", server);
        self.number("bench_cpus", to.own.saturating_sub(from.own).as_secs_f64() / time)
    }

    /// Adds the server's memory at two moments.
    pub(super) fn memory(&mut self, from: &Sample, to: &Sample) -> &mut Self {
        let mebibytes =
            |sample: &Sample| sample.resident_bytes.map(|bytes| bytes as f64 / f64::from(1 << 20));
        self.maybe("server_memory_before_mib", mebibytes(from));
        self.maybe("server_memory_after_mib", mebibytes(to))
    }

    /// Adds a row for the table of all scenarios.
    pub(super) fn headline(&mut self, what: &str, figure: &str) -> &mut Self {
        self.headlines.push((what.to_owned(), figure.to_owned()));
        self
    }

    /// The rows for the table of all scenarios.
    pub(super) fn headlines(&self) -> &[(String, String)] {
        &self.headlines
    }

    /// A promise that did not hold is what this program ends with.
    pub(super) const fn exit(&self) -> Exit {
        if self.faults.are_none() { Exit::Done } else { Exit::Broken }
    }

    /// Prints it: a row per figure, or one line of JSON.
    ///
    /// # Errors
    /// See [`Output::flush`].
    pub(super) fn print(&self, is_json: bool) -> Result<(), Failure> {
        let mut output = Output::default();
        match is_json {
            true => output.json(&self.json())?,
            false => self.rows().iter().try_for_each(|row| output.line(row))?,
        }
        output.flush()
    }

    fn json(&self) -> Value {
        let object = |pairs: &[(String, Value)]| Value::Object(pairs.iter().cloned().collect::<Map<_, _>>());
        let Faults { lost, repeated, reordered, strange, sentences } = &self.faults;
        json!({
            "scenario": self.scenario,
            "version": env!("CARGO_PKG_VERSION"),
            "at": jiff::Timestamp::now().to_string(),
            "machine": machine::told(),
            "settings": object(&self.settings),
            "figures": object(&self.figures),
            "checks": { "lost": lost, "repeated": repeated, "reordered": reordered, "strange": strange, "first": sentences },
        })
    }

    fn rows(&self) -> Vec<String> {
        let settings: Vec<_> =
            self.settings.iter().map(|(name, value)| format!("{} {}", words(name), shown(value))).collect();
        let mut rows = vec![format!("{}: {}", self.scenario, settings.join(", "))];
        let width = self.figures.iter().map(|(name, _)| words(name).len()).max().unwrap_or_default();
        rows.extend(self.figures.iter().map(|(name, value)| {
            let name = words(name);
            format!("  {name:<width$}  {:>14}", shown(value))
        }));
        let Faults { lost, repeated, reordered, strange, sentences } = &self.faults;
        rows.push(match self.faults.are_none() {
            true => "  every delivery checked: nothing lost, repeated or out of order".to_owned(),
            false => format!(
                "  BROKEN: lost {lost}, repeated {repeated}, out of order {reordered}, strange {strange}"
            ),
        });
        rows.extend(sentences.iter().map(|sentence| format!("    {}", escape::line(sentence))));
        rows
    }
}

/// What `per` things cost the server between two samples, in words.
pub(super) fn per(from: &Sample, to: &Sample, per: u64) -> String {
    match to.server.zip(from.server) {
        Some((to, from)) => {
            format!("{} µs", rounded(to.saturating_sub(from).as_secs_f64() * 1e6 / per as f64))
        }
        None => "not told".to_owned(),
    }
}

/// A time in milliseconds, to what means something.
pub(super) fn millis(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3)
}

/// Thousands of things, in words.
pub(super) fn kilo(number: f64) -> String {
    match number >= 100_000.0 {
        true => format!("{:.0} k", number / 1e3),
        false => format!("{:.1} k", number / 1e3),
    }
}

/// A name as people read it.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A value as people read it: thousands apart.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not told".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => thousands(whole),
            None => match number.as_f64() {
                Some(number) if number >= 1_000.0 => thousands(whole(number)),
                _ => number.to_string(),
            },
        },
        other => other.to_string(),
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// To four digits, or to a whole number.
fn rounded(number: f64) -> f64 {
    let magnitude = number.abs().max(1e-9).log10().floor();
    let scale = 10_f64.powf((3.0 - magnitude).max(0.0));
    (number * scale).round() / scale
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rounded figure above zero")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests;
