//! The directory of an index: whose it is, of which format, and whether it has begun to follow the logs.
//!
//! ```text
//! no mark, or another one ──▶ emptied, new ──▶ the host begins at the start of all logs ──▶ marked ──▶ opened as it is
//! ```
//!
//! The mark is written last. Where the process ends before, the index is new again, and nothing can be missing in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tantivy::Index;
use tantivy::directory::{Directory, INDEX_WRITER_LOCK, MmapDirectory};
use tantivy::schema::Schema;
use tantivy::store::Compressor;

use crate::error::IndexError;
use crate::words;

/// Opens the index in `dir`, or makes a new one where there is none that this version can go on with; says which.
pub(crate) fn open(dir: &Path, schema: &Schema) -> Result<(Index, bool), IndexError> {
    fs::create_dir_all(dir).map_err(disk(dir))?;
    let is_marked = match fs::read(dir.join(MARK)) {
        Ok(mark) => mark == FORMAT.as_bytes(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(disk(&dir.join(MARK))(error)),
    };
    if is_marked {
        match load(dir, schema) {
            Ok(index) => return Ok((index, false)),
            Err(error) => tracing::warn!(%error, "the search index cannot be read and is made anew"),
        }
    }
    empty(dir)?;
    let settings = tantivy::IndexSettings { docstore_compression: Compressor::None, ..Default::default() };
    let index = Index::builder().schema(schema.clone()).settings(settings).create_in_dir(dir)?;
    Ok((prepared(index), true))
}

/// Marks an index as one that follows the logs. Durable on return.
pub(crate) fn mark(dir: &Path) -> Result<(), IndexError> {
    let (part, whole) = (dir.join(MARK_PART), dir.join(MARK));
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(FORMAT.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, &whole)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(disk(&whole))
}

/// Has the index in `dir` made anew when it is opened next, if there is one: where the logs that it follows are put back to an
/// older state. Durable on return.
///
/// # Errors
/// [`IndexError::Disk`].
pub fn renew(dir: impl AsRef<Path>) -> Result<(), IndexError> {
    let (dir, mark) = (dir.as_ref(), dir.as_ref().join(MARK));
    match fs::remove_file(&mark).and_then(|()| File::open(dir)?.sync_all()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(&mark)(error)),
        _ => Ok(()),
    }
}

/// Takes the index in `dir` away, every file of it, if there is one: it is made anew when it is opened next. Nobody may have it
/// open.
///
/// # Errors
/// [`IndexError`]; anything else in the directory is left alone.
pub fn remove(dir: impl AsRef<Path>) -> Result<(), IndexError> {
    let dir = dir.as_ref();
    renew(dir)?;
    if !dir.is_dir() {
        return Ok(());
    }
    empty(dir)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(disk(dir))
}

/// The segments that have files in the directory, those that are of no use any more among them.
pub(crate) fn segments(dir: &Path) -> Result<Vec<String>, IndexError> {
    let names = names(dir)?;
    let mut segments: Vec<_> = names.iter().filter_map(|name| segment(name)).map(str::to_owned).collect();
    segments.sort_unstable();
    segments.dedup();
    Ok(segments)
}

/// Opens what is there, all of it: what is damaged is better found now than with a search.
fn load(dir: &Path, schema: &Schema) -> tantivy::Result<Index> {
    let index = Index::open_in_dir(dir)?;
    if index.schema() != *schema {
        return Err(tantivy::TantivyError::SchemaError("another schema".to_owned()));
    }
    let index = prepared(index);
    index.reader_builder().reload_policy(tantivy::ReloadPolicy::Manual).try_into()?;
    Ok(index)
}

fn prepared(index: Index) -> Index {
    index.tokenizers().register(words::NAME, words::analyzer());
    index
}

/// Takes every file of an index away, if nobody has it open and there is nothing else in the directory.
fn empty(dir: &Path) -> Result<(), IndexError> {
    let names = names(dir)?;
    if let Some(name) = names.iter().find(|name| !is_ours(name)) {
        return Err(IndexError::NotAnIndex { path: dir.join(name) });
    }
    let held = || IndexError::Held { dir: dir.to_owned() };
    let directory = MmapDirectory::open(dir).map_err(|error| IndexError::Tantivy(error.into()))?;
    let _lock = directory.acquire_lock(&INDEX_WRITER_LOCK).map_err(|_| held())?;
    for name in names.iter().filter(|name| !name.ends_with(".lock")) {
        let path = dir.join(name);
        fs::remove_file(&path).map_err(disk(&path))?;
    }
    Ok(())
}

fn names(dir: &Path) -> Result<Vec<String>, IndexError> {
    let entries = fs::read_dir(dir).map_err(disk(dir))?;
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect::<io::Result<_>>().map_err(disk(dir))
}

/// True for what this crate or tantivy calls a file.
fn is_ours(name: &str) -> bool {
    matches!(name, MARK | MARK_PART | "meta.json" | ".managed.json")
        || name.starts_with(".tantivy-")
        || name.starts_with(".tmp")
        || segment(name).is_some()
}

/// The segment that a file is of: 32 hex digits before the first dot.
fn segment(name: &str) -> Option<&str> {
    let (segment, _) = name.split_once('.')?;
    (segment.len() == 32 && segment.bytes().all(|b| b.is_ascii_hexdigit())).then_some(segment)
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> IndexError {
    let path: PathBuf = path.to_owned();
    |source| IndexError::Disk { path, source }
}

/// The file that says which format the index has.
const MARK: &str = "anchor-search";

const MARK_PART: &str = "anchor-search.part";

/// The format that this version writes: what a document has, how words are made, how tantivy stores them.
const FORMAT: &str = "anchor-search 1, tantivy 0.27\n";
