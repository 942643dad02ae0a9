//! What is kept of users: profiles, and who may talk to them.

use anchor_core::user::{Direct, Profile, ProfileText, ReadReceipts, UserChange};

use super::super::value::{Reader, Writer};
use super::parts::{user, write_tagged};
use super::{Fault, Fields};

/// `name, avatar, status`: three elements.
pub(super) fn profile<'a, R: Reader<'a>>(r: &mut R) -> Result<Profile, Fault> {
    Ok(Profile {
        name: r.option("name", line)?,
        avatar: r.option("avatar", line)?,
        status: r.option("status", line)?,
    })
}

pub(super) fn write_profile<W: Writer>(w: &mut W, profile: &Profile) {
    let Profile { name, avatar, status } = profile;
    for line in [name, avatar, status] {
        w.option(line.as_ref(), |w, line| w.text(line.as_str()));
    }
}

/// `["profile", name, avatar, status]`, `["direct", name]`, `["block", user]`, `["unblock", user]` or `["receipts", flag]`.
pub(super) fn change<'a, R: Reader<'a>>(r: &mut R) -> Result<UserChange, Fault> {
    Ok(match &*r.text()? {
        "profile" => UserChange::Profile(profile(r)?),
        "direct" => {
            let direct = Direct::from_name(&r.text()?);
            UserChange::Direct(direct.ok_or(Fault::invalid("expected everyone, shared or nobody"))?)
        }
        "block" => UserChange::Block(user(r)?),
        "unblock" => UserChange::Unblock(user(r)?),
        "receipts" => UserChange::Receipts(ReadReceipts::shown(r.flag()?)),
        _ => return Err(Fault::invalid("expected profile, direct, block, unblock or receipts")),
    })
}

pub(super) fn write_change<W: Writer>(w: &mut W, change: &UserChange) {
    match change {
        UserChange::Profile(profile) => {
            w.open(4);
            w.text("profile");
            write_profile(w, profile);
            w.close();
        }
        UserChange::Direct(direct) => write_tagged(w, "direct", |w| w.text(direct.name())),
        UserChange::Block(user) => write_tagged(w, "block", |w| w.text(user.as_str())),
        UserChange::Unblock(user) => write_tagged(w, "unblock", |w| w.text(user.as_str())),
        UserChange::Receipts(receipts) => write_tagged(w, "receipts", |w| w.flag(receipts.are_shown())),
    }
}

/// As a server says it to a client; what is not known counts as what lets in fewest.
pub(super) fn direct<'a, R: Reader<'a>>(r: &mut R) -> Result<Direct, Fault> {
    Ok(Direct::from_name(&r.text()?).unwrap_or(Direct::Nobody))
}

fn line<'a>(r: &mut impl Reader<'a>) -> Result<ProfileText, Fault> {
    ProfileText::new(&r.text()?)
        .map_err(|_| Fault::invalid("a line has 1 to 512 bytes, no control or direction characters"))
}
