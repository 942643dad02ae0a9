//! What can go wrong.

/// One kind of thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// `kill -9` of a server.
    KillNode,
    /// A server ends in good order, and tells its clients when to come back.
    Drain,
    /// A server loses power; its peers are not told.
    PowerNode,
    /// A server loses power in the middle of a write or sync that is still to come.
    PowerAtWrite,
    /// A sync of a server fails.
    SyncFails,
    /// A write of a server fails.
    WriteFails,
    /// A read of a server fails.
    ReadFails,
    /// A server's disk is full for a while.
    DiskFull,
    /// A backup is taken of a server, and an older one is put in its place.
    Restore,
    /// Connections break.
    Cut,
    /// Nothing passes between a client and a server for a while, and nobody is told.
    Part,
    /// A server stands still for a while.
    FreezeNode,
    /// A client stands still for a while, as a closed laptop.
    FreezeClient,
    /// A server's Unix clock is set wrong, or a client's.
    ClockJump,
    /// `kill -9` of a client.
    KillClient,
    /// A client is closed and opened again.
    CloseClient,
    /// A client loses power.
    PowerClient,
    /// A client loses power in the middle of a write or sync that is still to come.
    ClientPowerAtWrite,
    /// A write or sync of a client fails.
    ClientDiskFails,
    /// A client's state is copied, and both live on.
    CloneClient,
    /// A client's state is set back to an older copy.
    SetBackClient,
    /// Retention trims a room.
    Trim,
    /// The database is away for a while, from all servers or from some.
    DatabaseAway,
    /// The next write to the database is of unknown outcome.
    DatabaseUnknown,
    /// The database goes on from an older state of itself: its newest commits are lost.
    FailOver,
    /// The bus holds its messages back, and repeats, reorders or loses them.
    BusChaos,
    /// The bus is interrupted: what was on its way is lost, and its nodes are told.
    BusInterrupted,
}

impl Mishap {
    /// True if two states of one client come out of it.
    #[must_use]
    pub const fn copies_clients(self) -> bool {
        matches!(self, Self::CloneClient | Self::SetBackClient)
    }

    /// True if logs go back to what they were.
    #[must_use]
    pub const fn restores_logs(self) -> bool {
        matches!(self, Self::Restore | Self::FailOver)
    }

    /// What can go wrong with so many servers.
    pub fn all(nodes: u64) -> impl Iterator<Item = Self> {
        let anywhere = [
            Self::KillNode,
            Self::Drain,
            Self::Cut,
            Self::Part,
            Self::FreezeNode,
            Self::FreezeClient,
            Self::ClockJump,
            Self::KillClient,
            Self::CloseClient,
            Self::PowerClient,
            Self::ClientPowerAtWrite,
            Self::ClientDiskFails,
            Self::CloneClient,
            Self::SetBackClient,
            Self::Trim,
        ];
        let on_disks = [
            Self::PowerNode,
            Self::PowerAtWrite,
            Self::SyncFails,
            Self::WriteFails,
            Self::ReadFails,
            Self::DiskFull,
            Self::Restore,
        ];
        let shared =
            [Self::DatabaseAway, Self::DatabaseUnknown, Self::FailOver, Self::BusChaos, Self::BusInterrupted];
        let here: Vec<_> = if nodes == 1 { on_disks.to_vec() } else { shared.to_vec() };
        anywhere.into_iter().chain(here)
    }
}
