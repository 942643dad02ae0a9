//! What later events made of those in a page.

use anchor_core::event::Body;
use anchor_core::room::{Changes, Edit, Reaction, Sign};

use super::super::value::{Reader, Writer};
use super::parts::offset;
use super::{ANY_NUMBER, Fault, Fields};

/// `[target, edit, redacted_by, reactions, replies, last_reply, pinned]`.
pub(super) fn changes<'a, R: Reader<'a>>(r: &mut R) -> Result<Changes, Fault> {
    r.array("changes", |r| {
        Ok(Changes {
            target: r.field("target", offset)?,
            edit: r.option("edit", |r| r.array("edit", edit))?,
            redacted_by: r.option("redacted_by", offset)?,
            reactions: r.list("reactions", ANY_NUMBER, reaction)?,
            replies: r.field("replies", Reader::number)?,
            last_reply: r.option("last_reply", offset)?,
            pinned: r.field("pinned", Reader::flag)?,
        })
    })
}

pub(super) fn write_changes<W: Writer>(w: &mut W, changes: &Changes) {
    let Changes { target, edit, redacted_by, reactions, replies, last_reply, pinned } = changes;
    w.open(7);
    w.number(target.0);
    w.option(edit.as_ref(), write_edit);
    w.option(*redacted_by, |w, offset| w.number(offset.0));
    w.list(reactions, |w, Reaction { sign, count, mine }| {
        w.open(3);
        w.text(sign.as_str());
        w.number(*count);
        w.flag(*mine);
        w.close();
    });
    w.number(*replies);
    w.option(*last_reply, |w, offset| w.number(offset.0));
    w.flag(*pinned);
    w.close();
}

/// About how many bytes they will have.
pub(super) fn changes_size_hint(changes: &[Changes]) -> usize {
    let bodies = changes.iter().filter_map(|changes| changes.edit.as_ref()?.body.as_ref());
    48 * changes.len() + bodies.map(|body| 48 + body.bytes().len()).sum::<usize>()
}

/// `[offset, ts, content type, body, mentions]`.
fn edit<'a, R: Reader<'a>>(r: &mut R) -> Result<Edit, Fault> {
    let offset = r.field("offset", offset)?;
    let ts = r.field("ts", Reader::number)?;
    let body = r.field("body", Reader::body)?;
    let mentions = r.field("mentions", Reader::mentions)?;
    let body = body.map(|body| body.mentioning(mentions.unwrap_or_default()));
    Ok(Edit { offset, ts, body })
}

fn write_edit<W: Writer>(w: &mut W, edit: &Edit) {
    let Edit { offset, ts, body } = edit;
    let mentions = body.as_ref().and_then(Body::mentions);
    w.open(4 + usize::from(mentions.is_some()));
    w.number(offset.0);
    w.number(*ts);
    w.body(body.as_ref());
    if let Some(mentions) = mentions {
        w.mentions(mentions);
    }
    w.close();
}

/// `[sign, count, mine]`.
fn reaction<'a, R: Reader<'a>>(r: &mut R) -> Result<Reaction, Fault> {
    r.array("reactions", |r| {
        Ok(Reaction {
            sign: r.field("sign", |r| Sign::new(&r.text()?).map_err(|_| Fault::invalid("not a sign")))?,
            count: r.field("count", Reader::number)?,
            mine: r.field("mine", Reader::flag)?,
        })
    })
}
