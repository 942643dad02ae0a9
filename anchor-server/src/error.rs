//! Why a server does not start: each a sentence with the remedy, and an exit code.

use std::io;
use std::net::SocketAddr;

use anchor_core::engine::ReadError;
use anchor_core::error::ErrorKind;
use anchor_store::OpenError;
use thiserror::Error;

use crate::exit::Exit;

/// Why a server does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// It would be open to other machines without having been told so.
    #[error(
        "refusing to listen on {0} without an auth mode: other machines can reach that address, and anyone there could \
         take any name. If that is what you want, say so with `--auth open`; else listen on 127.0.0.1"
    )]
    AuthNotChosen(SocketAddr),
    /// Another process listens there.
    #[error(
        "{address} is taken: another process listens there (another anchor-server?). Stop that one, or choose another \
         port with `--listen`; port 0 takes a free one"
    )]
    AddressTaken {
        /// The address.
        address: SocketAddr,
    },
    /// The machine has no such address.
    #[error("this machine has no address {}: choose one of its own with `--listen`, or 0.0.0.0 for all", .address.ip())]
    AddressUnknown {
        /// The address.
        address: SocketAddr,
    },
    /// The port is for privileged processes.
    #[error("no permission to listen on {address}: choose a port from 1024 on with `--listen`")]
    AddressDenied {
        /// The address.
        address: SocketAddr,
    },
    /// It cannot listen, for another reason.
    #[error("cannot listen on {address}: choose another address with `--listen`")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The data directory cannot be opened.
    #[error(transparent)]
    Data(#[from] OpenError),
    /// The webhooks that are kept could not be put to work.
    #[error("the webhooks in the data directory could not be read")]
    Webhooks(#[source] ReadError),
    /// The search index cannot be opened. A damaged one is made anew by itself.
    #[cfg(feature = "search")]
    #[error("the search index cannot be opened; see to it, or serve without one by `--search=false`")]
    Search(#[source] anchor_search::IndexError),
    /// The thread that opened the data directory panicked.
    #[error(
        "opening the data directory {directory} ended in a panic; the log says where. Keep a copy of the directory and \
         report it"
    )]
    OpenPanicked {
        /// The directory.
        directory: String,
    },
}

impl StartError {
    /// What to do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::AuthNotChosen(_) | Self::AddressUnknown { .. } => ErrorKind::Invalid,
            Self::AddressDenied { .. } => ErrorKind::Denied,
            Self::AddressTaken { .. } | Self::Address { .. } => ErrorKind::Retry,
            Self::Data(error) => error.kind(),
            Self::Webhooks(error) => error.kind(),
            #[cfg(feature = "search")]
            Self::Search(error) => error.kind(),
            Self::OpenPanicked { .. } => ErrorKind::Internal,
        }
    }

    /// Sorts what the operating system says about an address.
    pub(crate) fn address(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddressTaken { address },
            io::ErrorKind::AddrNotAvailable => Self::AddressUnknown { address },
            io::ErrorKind::PermissionDenied => Self::AddressDenied { address },
            _ => Self::Address { address, source },
        }
    }

    /// The exit code that goes with it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::AuthNotChosen(_) => Exit::Usage,
            Self::AddressTaken { .. }
            | Self::AddressUnknown { .. }
            | Self::AddressDenied { .. }
            | Self::Address { .. } => Exit::Address,
            Self::Data(error) => exit_of_data(error),
            Self::Webhooks(error) if error.kind() == ErrorKind::Corrupt => Exit::Damaged,
            Self::Webhooks(_) => Exit::Data,
            #[cfg(feature = "search")]
            Self::Search(_) => Exit::Data,
            Self::OpenPanicked { .. } => Exit::Error,
        }
    }
}

/// The exit code for data that cannot be opened.
pub(crate) fn exit_of_data(error: &OpenError) -> Exit {
    match (error, error.kind()) {
        (OpenError::NewerFormat { .. }, _) | (_, ErrorKind::Corrupt) => Exit::Damaged,
        _ => Exit::Data,
    }
}
