//! What a caller should do about an error, the same for every error of every crate of Anchor.

/// Any error of a backend.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What to do about an error. Branch on this, never on a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The same call may go through later.
    Retry,
    /// The input breaks a rule; the same call fails again.
    Invalid,
    /// It is not allowed.
    Denied,
    /// The thing asked was closed or has failed for good; open it anew.
    Closed,
    /// Stored data is not what it should be; a person must look.
    Corrupt,
    /// A defect of Anchor.
    Internal,
}
