//! Where messages wait: the directory of `--state`, or the slot of (server, user) under the user's state directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anchor_core::id::UserId;
use directories::ProjectDirs;

use crate::exit::{Exit, Failure};

/// The directory that `--state` names, else that of `server` and `user`; made if it is not there.
///
/// # Errors
/// A sentence where there is no such place or it cannot be made.
pub(crate) fn directory(given: Option<&Path>, server: &str, user: &UserId) -> Result<PathBuf, Failure> {
    let directory = match given {
        Some(given) => given.to_owned(),
        None => {
            let project = ProjectDirs::from("", "", "anchor").ok_or_else(no_home)?;
            let states = project.state_dir().unwrap_or_else(|| project.data_local_dir());
            states.join(slot(server, user))
        }
    };
    make(&directory).map_err(|error| {
        let shown = directory.display();
        Failure::new(
            Exit::Failure,
            format!("cannot make the state directory {shown}: {error}; give another with --state"),
        )
    })?;
    Ok(directory)
}

/// Makes a directory that only its owner may read: it will hold the secret `client_id` and unsent messages.
///
/// # Errors
/// What the operating system says.
pub(crate) fn make(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(directory)
}

/// `ws%3a%2f%2f127.0.0.1%3a3000/ada`: two names of files, different for different servers and users on every file system.
fn slot(server: &str, user: &UserId) -> PathBuf {
    Path::new(&file_name(server)).join(file_name(user.as_str()))
}

/// Keeps `a-z 0-9 . _ -`, but no dot in front, and writes every other byte as `%XX`. Capitals too, because some file
/// systems take `Ada` for `ada`.
fn file_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => name.push(byte.into()),
            b'.' if at > 0 => name.push('.'),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name
}

fn no_home() -> Failure {
    Failure::new(
        Exit::Failure,
        "there is no home directory to keep messages in; name a directory with --state",
    )
}

#[cfg(test)]
mod tests;
