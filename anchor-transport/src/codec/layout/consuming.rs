//! Durable consumers, the webhooks on them, and what a search finds.

use anchor_core::code::Code;
use anchor_core::event::{EventKey, EventKind};
use anchor_core::limits::{
    CONSUME_DONE_MAX, WEBHOOK_KINDS_MAX, WEBHOOK_SECRET_BYTES_MAX, WEBHOOK_URL_BYTES_MAX,
};
use anchor_core::search::{Found, FoundMessage};
use anchor_core::session::frame::{
    Consume, Consumed, ConsumedPart, ConsumerChange, ConsumerListing, DeadLetter, RequestId, Webhook,
    WebhookChange, WebhookListing, WebhookSecret, Whose,
};

use super::super::kind::FrameKind;
use super::super::value::{Reader, Writer};
use super::parts::{
    epoch, from, gap, name, offset, place, request, room, series, text, write_from, write_gap, write_place,
    write_tag, write_tagged,
};
use super::server::contiguous;
use super::{ANY_NUMBER, Fault, Fields};

/// A text of at most so many bytes.
pub(super) fn bounded_text<'a>(r: &mut impl Reader<'a>, bytes_max: usize) -> Result<String, Fault> {
    let text = text(r)?;
    if text.len() > bytes_max {
        Err(Fault::invalid("a text that is longer than the limit"))
    } else {
        Ok(text)
    }
}

pub(super) fn whose<'a, R: Reader<'a>>(r: &mut R) -> Result<Whose, Fault> {
    Whose::from_name(&r.text()?).ok_or(Fault::invalid("expected mine or server"))
}

pub(super) fn consume<'a, R: Reader<'a>>(r: &mut R, seen: &mut Option<RequestId>) -> Result<Consume, Fault> {
    Ok(Consume {
        id: request(r, seen)?,
        name: r.field("name", name)?,
        room: r.option("room", room)?,
        from: r.array("from", from)?,
        done: r.list("done", (CONSUME_DONE_MAX, Code::Invalid), place)?,
        limit: r.field("limit", Reader::number)?,
        wait_ms: r.field("wait_ms", Reader::number)?,
        series: r.option("series", series)?,
    })
}

pub(super) fn write_consume<W: Writer>(w: &mut W, consume: &Consume) {
    let Consume { id, name, room, from, done, limit, wait_ms, series } = consume;
    w.open(9);
    w.kind(FrameKind::Consume);
    w.number(id.0);
    w.text(name.as_str());
    w.option(room.as_ref(), |w, room| w.text(room.as_str()));
    write_from(w, from);
    w.list(done, write_place);
    w.number(*limit);
    w.number(*wait_ms);
    w.option(*series, |w, series| w.fixed(&series.to_bytes()));
}

/// `["pause"]`, `["resume"]`, `["replay", from]` or `["remove"]`.
pub(super) fn consumer_change<'a, R: Reader<'a>>(r: &mut R) -> Result<ConsumerChange, Fault> {
    Ok(match &*r.text()? {
        "pause" => ConsumerChange::Pause,
        "resume" => ConsumerChange::Resume,
        "replay" => ConsumerChange::Replay(r.array("from", from)?),
        "remove" => ConsumerChange::Remove,
        _ => return Err(Fault::invalid("expected pause, resume, replay or remove")),
    })
}

pub(super) fn write_consumer_change<W: Writer>(w: &mut W, change: &ConsumerChange) {
    match change {
        ConsumerChange::Pause => write_tag(w, "pause"),
        ConsumerChange::Resume => write_tag(w, "resume"),
        ConsumerChange::Replay(from) => write_tagged(w, "replay", |w| write_from(w, from)),
        ConsumerChange::Remove => write_tag(w, "remove"),
    }
}

/// `["put", name, url, room, secret, kinds]`, or what is done to the webhook of a name.
pub(super) fn webhook_change<'a, R: Reader<'a>>(r: &mut R) -> Result<WebhookChange, Fault> {
    let tag = r.text()?;
    let name = r.field("name", name)?;
    Ok(match &*tag {
        "put" => WebhookChange::Put(Webhook {
            name,
            url: r.field("url", |r| bounded_text(r, WEBHOOK_URL_BYTES_MAX))?,
            room: r.option("room", room)?,
            secret: r.option("secret", |r| bounded_text(r, WEBHOOK_SECRET_BYTES_MAX))?.map(WebhookSecret),
            kinds: r.list("kinds", (WEBHOOK_KINDS_MAX, Code::Invalid), kind)?,
        }),
        "remove" => WebhookChange::Remove(name),
        "pause" => WebhookChange::Pause(name),
        "resume" => WebhookChange::Resume(name),
        "replay" => WebhookChange::Replay(name, r.array("from", from)?),
        "retry_dead" => WebhookChange::RetryDead(name, r.option("key", key)?),
        "drop_dead" => WebhookChange::DropDead(name, r.option("key", key)?),
        _ => {
            let rule = "expected put, remove, pause, resume, replay, retry_dead or drop_dead";
            return Err(Fault::invalid(rule));
        }
    })
}

pub(super) fn write_webhook_change<W: Writer>(w: &mut W, change: &WebhookChange) {
    let of_key = |w: &mut W, tag: &str, name: &str, key: Option<&EventKey>| {
        w.open(3);
        w.text(tag);
        w.text(name);
        w.option(key, write_key);
        w.close();
    };
    match change {
        WebhookChange::Put(Webhook { name, url, room, secret, kinds }) => {
            w.open(6);
            w.text("put");
            w.text(name.as_str());
            w.text(url);
            w.option(room.as_ref(), |w, room| w.text(room.as_str()));
            w.option(secret.as_ref(), |w, secret| w.text(&secret.0));
            w.list(kinds, |w, kind| w.number(kind.0.into()));
            w.close();
        }
        WebhookChange::Remove(name) => write_tagged(w, "remove", |w| w.text(name.as_str())),
        WebhookChange::Pause(name) => write_tagged(w, "pause", |w| w.text(name.as_str())),
        WebhookChange::Resume(name) => write_tagged(w, "resume", |w| w.text(name.as_str())),
        WebhookChange::Replay(name, from) => {
            w.open(3);
            w.text("replay");
            w.text(name.as_str());
            write_from(w, from);
            w.close();
        }
        WebhookChange::RetryDead(name, key) => of_key(w, "retry_dead", name.as_str(), key.as_ref()),
        WebhookChange::DropDead(name, key) => of_key(w, "drop_dead", name.as_str(), key.as_ref()),
    }
}

fn kind<'a, R: Reader<'a>>(r: &mut R) -> Result<EventKind, Fault> {
    u16::try_from(r.number()?).map(EventKind).map_err(|_| Fault::invalid("a kind has 16 bits"))
}

/// `[room, epoch, offset]`.
pub(super) fn key<'a>(r: &mut impl Reader<'a>) -> Result<EventKey, Fault> {
    r.array("key", |r| {
        Ok(EventKey {
            room: r.field("room", room)?,
            epoch: r.field("epoch", epoch)?,
            offset: r.field("offset", offset)?,
        })
    })
}

pub(super) fn write_key<W: Writer>(w: &mut W, key: &EventKey) {
    w.open(3);
    write_key_fields(w, key);
    w.close();
}

fn write_key_fields<W: Writer>(w: &mut W, EventKey { room, epoch, offset }: &EventKey) {
    w.text(room.as_str());
    w.fixed(epoch.as_bytes());
    w.number(offset.0);
}

pub(super) fn found<'a, R: Reader<'a>>(r: &mut R) -> Result<Found, Fault> {
    Ok(Found {
        messages: r.list("messages", ANY_NUMBER, |r| {
            r.array("messages", |r| {
                Ok(FoundMessage {
                    room: r.field("room", room)?,
                    epoch: r.field("epoch", epoch)?,
                    event: r.field("event", Reader::event)?,
                })
            })
        })?,
        next: r.option("next", text)?,
        lag: r.field("lag", Reader::number)?,
    })
}

pub(super) fn write_found<W: Writer>(w: &mut W, id: RequestId, Found { messages, next, lag }: &Found) {
    w.open(5);
    w.kind(FrameKind::Found);
    w.number(id.0);
    w.list(messages, |w, FoundMessage { room, epoch, event }| {
        w.open(3);
        w.text(room.as_str());
        w.fixed(epoch.as_bytes());
        w.event(event);
        w.close();
    });
    w.option(next.as_deref(), W::text);
    w.number(*lag);
}

pub(super) fn consumed<'a, R: Reader<'a>>(
    r: &mut R,
    seen: &mut Option<RequestId>,
) -> Result<Consumed, Fault> {
    Ok(Consumed {
        id: request(r, seen)?,
        parts: r.list("parts", ANY_NUMBER, |r| r.array("parts", part))?,
        lag: r.option("lag", Reader::number)?,
        series: r.field("series", series)?,
    })
}

pub(super) fn write_consumed<W: Writer>(w: &mut W, Consumed { id, parts, lag, series }: &Consumed) {
    w.open(5);
    w.kind(FrameKind::Consumed);
    w.number(id.0);
    w.list(parts, |w, ConsumedPart { room, epoch, first, events, gap }| {
        w.open(5);
        w.text(room.as_str());
        w.option(epoch.as_ref(), |w, epoch| w.fixed(epoch.as_bytes()));
        w.number(first.0);
        w.list(events, W::event);
        w.option(gap.as_ref(), |w, gap| {
            w.open(5);
            write_gap(w, gap);
            w.close();
        });
        w.close();
    });
    w.option(*lag, W::number);
    w.fixed(&series.to_bytes());
}

/// `[room, epoch, first, events, gap]`.
fn part<'a, R: Reader<'a>>(r: &mut R) -> Result<ConsumedPart, Fault> {
    let room = r.field("room", room)?;
    let epoch = r.option("epoch", epoch)?;
    let first = r.field("first", offset)?;
    let events = r.list("events", ANY_NUMBER, |r| Ok(r.event()?))?;
    contiguous(first, &events)?;
    Ok(ConsumedPart { room, epoch, first, events, gap: r.option("gap", |r| r.array("gap", gap))? })
}

/// `[name, room, paused, lag]`.
pub(super) fn consumer<'a, R: Reader<'a>>(r: &mut R) -> Result<ConsumerListing, Fault> {
    r.array("consumers", |r| {
        Ok(ConsumerListing {
            name: r.field("name", name)?,
            room: r.option("room", room)?,
            paused: r.field("paused", Reader::flag)?,
            lag: r.option("lag", Reader::number)?,
        })
    })
}

pub(super) fn write_consumer<W: Writer>(w: &mut W, consumer: &ConsumerListing) {
    let ConsumerListing { name, room, paused, lag } = consumer;
    w.open(4);
    w.text(name.as_str());
    w.option(room.as_ref(), |w, room| w.text(room.as_str()));
    w.flag(*paused);
    w.option(*lag, W::number);
    w.close();
}

/// `[name, url, room, kinds, paused, lag, dead, failures, error, dropped]`.
pub(super) fn webhook<'a, R: Reader<'a>>(r: &mut R) -> Result<WebhookListing, Fault> {
    r.array("webhooks", |r| {
        Ok(WebhookListing {
            name: r.field("name", name)?,
            url: r.field("url", text)?,
            room: r.option("room", room)?,
            kinds: r.list("kinds", ANY_NUMBER, kind)?,
            paused: r.field("paused", Reader::flag)?,
            lag: r.option("lag", Reader::number)?,
            dead: r.field("dead", Reader::number)?,
            failures: r.field("failures", Reader::number)?,
            error: r.option("error", text)?,
            dropped: r.field("dropped", Reader::number)?,
        })
    })
}

pub(super) fn write_webhook<W: Writer>(w: &mut W, webhook: &WebhookListing) {
    let WebhookListing { name, url, room, kinds, paused, lag, dead, failures, error, dropped } = webhook;
    w.open(10);
    w.text(name.as_str());
    w.text(url);
    w.option(room.as_ref(), |w, room| w.text(room.as_str()));
    w.list(kinds, |w, kind| w.number(kind.0.into()));
    w.flag(*paused);
    w.option(*lag, W::number);
    w.number(*dead);
    w.number(*failures);
    w.option(error.as_deref(), W::text);
    w.number(*dropped);
    w.close();
}

/// `[room, epoch, offset, at, attempts, error]`.
pub(super) fn letter<'a, R: Reader<'a>>(r: &mut R) -> Result<DeadLetter, Fault> {
    r.array("letters", |r| {
        let room = r.field("room", room)?;
        let epoch = r.field("epoch", epoch)?;
        Ok(DeadLetter {
            key: EventKey { room, epoch, offset: r.field("offset", offset)? },
            at: r.field("at", Reader::number)?,
            attempts: r.field("attempts", Reader::number)?,
            error: r.field("error", text)?,
        })
    })
}

pub(super) fn write_letter<W: Writer>(w: &mut W, DeadLetter { key, at, attempts, error }: &DeadLetter) {
    w.open(6);
    write_key_fields(w, key);
    w.number(*at);
    w.number(*attempts);
    w.text(error);
    w.close();
}
