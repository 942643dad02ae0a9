//! `room members`: who belongs to a room.

use anchor_core::limits::MEMBERS_PAGE_MAX;

use crate::args::InRoom;
use crate::args::room::Members;
use crate::context::Context;
use crate::escape;
use crate::exit::{Exit, Failure};
use crate::output::{Output, rooms};

/// Prints `PLACE USER` for each, in the order of user ids.
///
/// # Errors
/// A sentence; what was printed until then is right.
pub(super) async fn run(context: &Context, arguments: Members) -> Result<Exit, Failure> {
    let Members { in_room: InRoom { room, json }, all } = arguments;
    let client = context.reader().await?;
    let mut output = Output::default();
    let mut after = None;
    loop {
        let page = client.members(&room, after.as_ref(), MEMBERS_PAGE_MAX as u64).await?;
        for (user, member) in page.members.iter().filter(|(_, member)| all || member.joined().is_some()) {
            match json {
                true => output.json(&rooms::member(&room, user, member))?,
                false => {
                    output.line(&format!("{} {}", rooms::place(member), escape::name(user.as_str())))?;
                }
            }
        }
        output.flush()?;
        after = page.next;
        if after.is_none() {
            return Ok(Exit::Done);
        }
    }
}
