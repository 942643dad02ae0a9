//! `torture check`: judges a history from a file.

use std::fs::File;
use std::io;
use std::path::Path;

use serde_json::json;

use super::history::{Told, Unreadable};
use super::verdict::Verdict;
use crate::args::torture::Check;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Reads, checks and prints.
///
/// # Errors
/// [`Exit::Usage`] with the line that is wrong, or where the file cannot be read.
pub(super) async fn run(arguments: &Check) -> Result<Exit, Failure> {
    let file = arguments.file.clone();
    let read = tokio::task::spawn_blocking(move || read(&file));
    let told = read.await.map_err(|_| Failure::new(Exit::Failure, "this is a defect; report it"))?;
    let told = told.map_err(|error| {
        let shown = arguments.file.display();
        Failure::new(Exit::Usage, format!("{shown}: {error}"))
    })?;
    let verdict = Verdict::of(&told.history);
    let mut output = Output::default();
    match arguments.json {
        true => {
            let summary = json!({ "records": told.history.records().len(), "seed": told.about.seed });
            verdict.print_json(&mut output, summary)?;
        }
        false => verdict.print(&mut output)?,
    }
    output.flush()?;
    Ok(if verdict.holds() { Exit::Done } else { Exit::Broken })
}

fn read(path: &Path) -> Result<Told, Unreadable> {
    match path == Path::new("-") {
        true => Told::read(io::stdin().lock()),
        false => Told::read(File::open(path)?),
    }
}
