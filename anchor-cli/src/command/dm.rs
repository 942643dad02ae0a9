//! `dm`: a message to one user. The room of the two comes into being if it is not there.

use anchor_core::code::Code;
use anchor_core::event::{Draft, EventKind};
use anchor_core::id::RoomId;
use anchor_core::room::RoomKind;
use anchor_core::room::change::{RoomChange, Settings};

use super::change::{Answer, Change, Writer};
use crate::args::InRoom;
use crate::args::person::Dm;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Says something to one user.
///
/// # Errors
/// As [`Writer::change`] and [`Answer::print`].
pub(super) async fn run(context: &Context, arguments: Dm) -> Result<Exit, Failure> {
    let Dm { to, text, extras, json } = arguments;
    let room = RoomId::direct(context.user(), &to);
    let creation =
        RoomChange::Create { kind: RoomKind::Direct, settings: Settings::default(), user: Some(to) };
    let draft = Draft { kind: EventKind::ROOM, target: None, body: creation.to_body() };
    let creation = Change { room: room.clone(), draft };
    let mut writer = Writer::open(context)?;
    let answer = match text.is_empty() {
        true => create(&mut writer, creation).await?,
        false => {
            let message = Change { room: room.clone(), draft: Draft::message(extras.body(text.join(" "))?) };
            match writer.change(message.clone()).await? {
                Answer::Refused(refusal) if refusal.code == Code::RoomUnknown => {
                    match create(&mut writer, creation).await? {
                        refused @ Answer::Refused(_) => refused,
                        Answer::Acked(_) | Answer::Unchanged(_) => writer.change(message).await?,
                    }
                }
                answer => answer,
            }
        }
    };
    answer.print(&InRoom { room, json })
}

/// Makes the room; the other one may have been faster.
async fn create(writer: &mut Writer, creation: Change) -> Result<Answer, Failure> {
    Ok(match writer.change(creation).await? {
        Answer::Refused(refusal) if refusal.code == Code::RoomExists => Answer::Unchanged(refusal.message),
        answer => answer,
    })
}
