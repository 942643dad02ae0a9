//! The directory of a store: its lock, the file `FORMAT`, and both databases.
//!
//! `FORMAT` is read before redb opens anything, and gets its name after everything else. A database gets its tables under another name and its
//! own one when it is complete and synced, so that an interrupted first start leaves nothing that is half made.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anchor_core::environment::Environment;
use anchor_core::error::BoxError;
use redb::{Database, StorageBackend};

use crate::database::{OpenDatabase, contained};
use crate::disk::{FileDisk, sync_directory};
use crate::error::OpenError;
use crate::options::{JOURNAL_CACHE_BYTES, Options};
use crate::shared::Databases;
use crate::tables::{
    FORMAT, PAGES_FILE, PairId, Role, check_format, identity_of, initialise, is_unused, migrate,
};

/// Holds the operating system's lock on a directory for as long as it lives, which is at most as long as the process.
#[derive(Debug)]
pub(crate) struct DirectoryLock(File);

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing alone is not enough: a child process that is just being started shares the open file until it runs
        // its program, and would hold the lock until then. Where this fails, closing is all there is.
        let _ = self.0.unlock();
    }
}

/// Opens the databases of a directory, making what is missing of a new one.
pub(crate) fn open(dir: &Path, env: &dyn Environment, options: &Options) -> Result<Databases, OpenError> {
    make_directory(dir)?;
    let lock = lock(dir)?;
    let (format, pair) = match read_format(dir, FORMAT_FILE)? {
        Some(known) => known,
        None => make(dir, env, options)?,
    };
    for role in Role::BOTH {
        if !exists(&dir.join(role.file()))? {
            return Err(OpenError::Missing { file: role.file() });
        }
    }
    let [journal, pages] = Role::BOTH.map(|role| open_file(dir, role, options));
    let (journal, pages) = (journal?, pages?);
    let identities = [identity_of(&journal, Role::Journal)?, identity_of(&pages, Role::Pages)?];
    for (identity, role) in identities.into_iter().zip(Role::BOTH) {
        if identity.map(|(_, pair)| pair) != Some(pair) {
            return Err(OpenError::PairMismatch { file: role.file() });
        }
    }
    migrate_both([&journal, &pages], identities)?;
    // Last: as long as it names an earlier format, the databases are looked at, too.
    if format != FORMAT {
        tracing::info!(from = format, to = FORMAT, "brought the data to the format of this version");
        write_format(dir, pair)?;
        rename_format(dir)?;
    }
    Ok(Databases { journal, pages, _lock: Some(lock) })
}

/// Brings databases that belong together to the format of this version; each that has it already is left as it is.
fn migrate_both(
    databases: [&OpenDatabase; 2],
    identities: [Option<(u32, PairId)>; 2],
) -> Result<(), OpenError> {
    for ((database, identity), role) in databases.into_iter().zip(identities).zip(Role::BOTH) {
        if let Some((format, _)) = identity.filter(|(format, _)| *format != FORMAT) {
            migrate(database, role, format)?;
        }
    }
    Ok(())
}

/// Opens the databases of a directory that must have them already.
pub(crate) fn open_made(
    dir: &Path,
    env: &dyn Environment,
    options: &Options,
) -> Result<Databases, OpenError> {
    for file in [FORMAT_FILE, Role::Journal.file(), Role::Pages.file()] {
        if exists(&dir.join(file))? {
            return open(dir, env, options);
        }
    }
    Err(OpenError::NoStore { dir: dir.to_owned() })
}

/// Makes a store where there is none, or goes on with one whose making was interrupted. `FORMAT` gets its name when all
/// the rest is there: what is missing from then on was taken away.
fn make(dir: &Path, env: &dyn Environment, options: &Options) -> Result<(u32, PairId), OpenError> {
    let mut are_there = Vec::new();
    for role in Role::BOTH {
        if exists(&dir.join(role.file()))? {
            are_there.push(role);
        }
    }
    // Written in part only where nothing was made after it.
    let (format, pair) = match read_format(dir, FORMAT_UNFINISHED).ok().flatten() {
        Some(known) => known,
        None if are_there.is_empty() => (FORMAT, write_format(dir, PairId::random(env))?),
        None => return Err(OpenError::Missing { file: FORMAT_FILE }),
    };
    for role in Role::BOTH {
        if !are_there.contains(&role) {
            create(dir, role, pair, options)?;
            continue;
        }
        let database = open_file(dir, role, options)?;
        if !is_unused(&database, role)? {
            return Err(OpenError::Missing { file: FORMAT_FILE });
        }
    }
    rename_format(dir)?;
    Ok((format, pair))
}

/// Gives `FORMAT` its name.
fn rename_format(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join(FORMAT_FILE);
    fs::rename(dir.join(FORMAT_UNFINISHED), &path)
        .and_then(|()| sync_directory(dir))
        .map_err(|source| not_writable(&path, source))
}

/// Opens two storages as the databases of a store; two that are empty become a new pair.
pub(crate) fn open_backends(
    journal: impl StorageBackend,
    pages: impl StorageBackend,
    env: &dyn Environment,
    options: &Options,
) -> Result<Databases, OpenError> {
    let journal = open_backend(journal, Role::Journal, options)?;
    let pages = open_backend(pages, Role::Pages, options)?;
    let ends = [(&journal, Role::Journal), (&pages, Role::Pages)];
    let identities = [identity_of(&journal, Role::Journal)?, identity_of(&pages, Role::Pages)?];
    match identities.map(|identity| identity.map(|(_, pair)| pair)).into() {
        (Some(one), Some(other)) if one == other => migrate_both([&journal, &pages], identities)?,
        (Some(_), Some(_)) => return Err(OpenError::PairMismatch { file: PAGES_FILE }),
        (None, None) => {
            let pair = PairId::random(env);
            for (database, role) in ends {
                initialise(database, role, pair).map_err(|error| OpenError::damaged(role.file(), error))?;
            }
        }
        (one, other) => {
            let (made, new) = if one.is_some() { (ends[0], ends[1]) } else { (ends[1], ends[0]) };
            let pair = one.or(other).expect("one of them has a pair id");
            match is_unused(made.0, made.1)? {
                true => {
                    initialise(new.0, new.1, pair)
                        .map_err(|error| OpenError::damaged(new.1.file(), error))?;
                }
                false => return Err(OpenError::Missing { file: new.1.file() }),
            }
        }
    }
    Ok(Databases { journal, pages, _lock: None })
}

/// Opens a database on `backend`. What redb makes of a damaged file, an error or a panic, is an error here.
fn open_backend(
    backend: impl StorageBackend,
    role: Role,
    options: &Options,
) -> Result<OpenDatabase, OpenError> {
    let cache = cache_bytes(role, options);
    let open = || Ok(Database::builder().set_cache_size(cache).create_with_backend(backend)?);
    let database = contained(open).map_err(|error| OpenError::unreadable(role.file(), error))?;
    Ok(OpenDatabase::new(database))
}

const fn cache_bytes(role: Role, options: &Options) -> usize {
    match role {
        Role::Journal => JOURNAL_CACHE_BYTES,
        Role::Pages => options.pages_cache_bytes,
    }
}

fn open_file(dir: &Path, role: Role, options: &Options) -> Result<OpenDatabase, OpenError> {
    let path = dir.join(role.file());
    let disk = FileDisk::open(&path).map_err(|source| not_writable(&path, source))?;
    if disk.len().map_err(|source| not_writable(&path, source))? == 0 {
        return Err(OpenError::damaged(role.file(), "it is empty"));
    }
    open_backend(disk, role, options)
}

/// Makes a database of a new pair.
fn create(dir: &Path, role: Role, pair: PairId, options: &Options) -> Result<(), OpenError> {
    replace(dir, role, options, |new| Ok(initialise(new, role, pair)?))
}

/// Makes a database under another name, then gives it its own. One that has this name is gone then, and must not be open.
pub(crate) fn replace(
    dir: &Path,
    role: Role,
    options: &Options,
    fill: impl FnOnce(&mut Database) -> Result<(), BoxError>,
) -> Result<(), OpenError> {
    let path = dir.join(role.file());
    let unfinished = dir.join(format!("{}.new", role.file()));
    let disk = FileDisk::create(&unfinished).map_err(|source| not_writable(&unfinished, source))?;
    let make = || -> Result<(), BoxError> {
        let mut builder = Database::builder();
        let mut database = builder.set_cache_size(cache_bytes(role, options)).create_with_backend(disk)?;
        fill(&mut database)?;
        Ok(database.close()?)
    };
    if let Err(source) = make() {
        // What is half made takes room and is of no use; where this fails, the next time takes its place.
        let _ = fs::remove_file(&unfinished);
        return Err(OpenError::Io { during: "making a database", source });
    }
    File::open(&unfinished)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&unfinished, &path))
        .and_then(|()| sync_directory(dir))
        .map_err(|source| not_writable(&path, source))
}

fn make_directory(dir: &Path) -> Result<(), OpenError> {
    if dir.is_dir() {
        return Ok(());
    }
    if exists(dir)? {
        return Err(OpenError::NotADirectory { dir: dir.to_owned() });
    }
    // Every name that is made must be durable, down from a directory that was there.
    let missing = dir.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).count();
    fs::create_dir_all(dir).map_err(|source| not_writable(dir, source))?;
    let made = dir.canonicalize().map_err(|source| not_writable(dir, source))?;
    made.ancestors()
        .skip(1)
        .take(missing)
        .try_for_each(|parent| sync_directory(parent).map_err(|source| not_writable(parent, source)))
}

fn lock(dir: &Path) -> Result<DirectoryLock, OpenError> {
    let path = dir.join(LOCK_FILE);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|source| not_writable(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(DirectoryLock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Held { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(not_writable(&path, source)),
    }
}

/// The format and the pair id that `FORMAT`, or the file that will be, names; `None` if there is no such file.
fn read_format(dir: &Path, file: &str) -> Result<Option<(u32, PairId)>, OpenError> {
    let path = dir.join(file);
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(not_writable(&path, source)),
    };
    let damaged = |what: &str| OpenError::damaged(FORMAT_FILE, what);
    let mut lines = text.lines();
    let version = lines.next().and_then(|line| line.strip_prefix(FORMAT_LINE));
    let version =
        version.and_then(|number| number.parse().ok()).ok_or_else(|| damaged("it names no format"))?;
    check_format(version, FORMAT_FILE)?;
    let pair = lines.next().and_then(|line| line.strip_prefix(PAIR_LINE)).and_then(parse_pair);
    pair.map(|pair| Some((version, pair))).ok_or_else(|| damaged("it names no pair"))
}

/// Writes what will be `FORMAT` under the name that it has until then.
fn write_format(dir: &Path, pair: PairId) -> Result<PairId, OpenError> {
    let path = dir.join(FORMAT_UNFINISHED);
    let hex: String = pair.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let write = || -> io::Result<()> {
        let mut file = File::create(&path)?;
        writeln!(file, "{FORMAT_LINE}{FORMAT}\n{PAIR_LINE}{hex}")?;
        file.sync_all()?;
        sync_directory(dir)
    };
    write().map_err(|source| not_writable(&path, source))?;
    Ok(pair)
}

fn parse_pair(hex: &str) -> Option<PairId> {
    let mut pair = [0; 16];
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in pair.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(PairId(pair))
}

fn exists(path: &Path) -> Result<bool, OpenError> {
    path.try_exists().map_err(|source| match source.kind() {
        ErrorKind::NotADirectory => {
            OpenError::NotADirectory { dir: path.parent().map_or_else(PathBuf::new, Path::to_owned) }
        }
        _ => not_writable(path, source),
    })
}

fn not_writable(path: &Path, source: io::Error) -> OpenError {
    OpenError::NotWritable { path: path.to_owned(), source }
}

/// The small file that says what the others are: two lines, `anchor-store format N` and `pair HEX`.
const FORMAT_FILE: &str = "FORMAT";
/// Its name until both databases are there.
const FORMAT_UNFINISHED: &str = "FORMAT.new";
const FORMAT_LINE: &str = "anchor-store format ";
const PAIR_LINE: &str = "pair ";

/// The file whose lock holds the directory. It stays when the lock is gone.
const LOCK_FILE: &str = "LOCK";
