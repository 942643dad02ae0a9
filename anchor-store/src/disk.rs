//! A database file as redb sees it, and what is asked of the operating system besides.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use redb::StorageBackend;
use rustix::fs::statvfs;

/// A file. A read beyond its end is an error, never zeros.
#[derive(Debug)]
pub(crate) struct FileDisk(File);

impl FileDisk {
    /// Opens a file that is there. What the operating system has cached of it is written or dropped first, so that what
    /// is read is what the disk has: after a failed sync the cache may hold what the disk never got.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        file.sync_data()?;
        #[cfg(not(target_vendor = "apple"))]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(Self(file))
    }

    /// Makes a file; one of that name is emptied.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        File::options().read(true).write(true).create(true).truncate(true).open(path).map(Self)
    }
}

impl StorageBackend for FileDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Bytes that are free for this process on the file system of `dir`.
pub(crate) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
