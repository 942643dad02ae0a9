//! Durable consumers, webhooks, and what a search finds.

use anchor_core::engine::{ConsumerName, Series};
use anchor_core::event::{EventKey, EventKind};
use anchor_core::search::{Found, FoundMessage};
use anchor_core::session::frame::{
    ClientFrame, Consume, Consumed, ConsumedPart, ConsumerChange, ConsumerListing, DeadLetter, RequestId,
    ServerFrame, Webhook, WebhookChange, WebhookListing, WebhookSecret, Whose,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::parts::{epoch, event, events, from, gap, number, offset, position, room};

pub(super) fn of_consuming() -> impl Strategy<Value = ClientFrame> {
    let id = number().prop_map(RequestId);
    prop_oneof![
        (id.clone(), text(), number(), option::of(text()))
            .prop_map(|(id, text, limit, after)| ClientFrame::Search { id, text, limit, after }),
        consume().prop_map(|consume| ClientFrame::Consume(Box::new(consume))),
        (id.clone(), option::of(name()), number(), whose())
            .prop_map(|(id, after, limit, whose)| ClientFrame::Consumers { id, after, limit, whose }),
        (id.clone(), name(), consumer_change(), whose()).prop_map(|(id, name, change, whose)| {
            ClientFrame::ChangeConsumer { id, name, change, whose }
        }),
        (id.clone(), option::of(name()), number()).prop_map(|(id, after, limit)| ClientFrame::Webhooks {
            id,
            after,
            limit
        }),
        (id.clone(), webhook_change())
            .prop_map(|(id, change)| ClientFrame::ChangeWebhook { id, change: Box::new(change) }),
        (id, name(), option::of(key()), number())
            .prop_map(|(id, name, after, limit)| ClientFrame::DeadLetters { id, name, after, limit }),
    ]
}

pub(super) fn consumed() -> impl Strategy<Value = ServerFrame> {
    let id = number().prop_map(RequestId);
    let consumer = (name(), option::of(room()), any::<bool>(), option::of(number()))
        .prop_map(|(name, room, paused, lag)| ConsumerListing { name, room, paused, lag });
    prop_oneof![
        (id.clone(), found()).prop_map(|(id, found)| ServerFrame::Found { id, found: Box::new(found) }),
        (number(), vec(part(), 0..4), option::of(number()), series()).prop_map(|(id, parts, lag, series)| {
            ServerFrame::Consumed(Box::new(Consumed { id: RequestId(id), parts, lag, series }))
        }),
        (id.clone(), vec(consumer, 0..4), option::of(name()))
            .prop_map(|(id, consumers, next)| ServerFrame::ConsumerList { id, consumers, next }),
        (id.clone(), vec(webhook(), 0..4), option::of(name()))
            .prop_map(|(id, webhooks, next)| ServerFrame::WebhookList { id, webhooks, next }),
        (id, name(), vec(letter(), 0..4), option::of(key()))
            .prop_map(|(id, name, letters, next)| ServerFrame::DeadLetterList { id, name, letters, next }),
    ]
}

fn found() -> impl Strategy<Value = Found> {
    let message =
        (room(), epoch(), event()).prop_map(|(room, epoch, event)| FoundMessage { room, epoch, event });
    (vec(message, 0..4), option::of(text()), number()).prop_map(|(messages, next, lag)| Found {
        messages,
        next,
        lag,
    })
}

fn consume() -> impl Strategy<Value = Consume> {
    let done = vec((room(), position()), 0..4);
    (number(), name(), option::of(room()), from(), done, number(), number(), option::of(series())).prop_map(
        |(id, name, room, from, done, limit, wait_ms, series)| Consume {
            id: RequestId(id),
            name,
            room,
            from,
            done,
            limit,
            wait_ms,
            series,
        },
    )
}

fn series() -> impl Strategy<Value = Series> {
    any::<[u8; 8]>().prop_map(Series::from_bytes)
}

fn part() -> impl Strategy<Value = ConsumedPart> {
    (room(), option::of(epoch()), events(), option::of(gap()))
        .prop_map(|(room, epoch, (first, events), gap)| ConsumedPart { room, epoch, first, events, gap })
}

fn consumer_change() -> impl Strategy<Value = ConsumerChange> {
    prop_oneof![
        Just(ConsumerChange::Pause),
        Just(ConsumerChange::Resume),
        from().prop_map(ConsumerChange::Replay),
        Just(ConsumerChange::Remove),
    ]
}

fn webhook_change() -> impl Strategy<Value = WebhookChange> {
    let secret = option::of(text().prop_map(WebhookSecret));
    prop_oneof![
        (name(), text(), option::of(room()), secret, vec(kind(), 0..4)).prop_map(
            |(name, url, room, secret, kinds)| WebhookChange::Put(Webhook { name, url, room, secret, kinds })
        ),
        name().prop_map(WebhookChange::Remove),
        name().prop_map(WebhookChange::Pause),
        name().prop_map(WebhookChange::Resume),
        (name(), from()).prop_map(|(name, from)| WebhookChange::Replay(name, from)),
        (name(), option::of(key())).prop_map(|(name, key)| WebhookChange::RetryDead(name, key)),
        (name(), option::of(key())).prop_map(|(name, key)| WebhookChange::DropDead(name, key)),
    ]
}

fn webhook() -> impl Strategy<Value = WebhookListing> {
    let state = (any::<bool>(), option::of(number()), number(), number(), option::of(text()), number());
    (name(), text(), option::of(room()), vec(kind(), 0..4), state).prop_map(
        |(name, url, room, kinds, (paused, lag, dead, failures, error, dropped))| WebhookListing {
            name,
            url,
            room,
            kinds,
            paused,
            lag,
            dead,
            failures,
            error,
            dropped,
        },
    )
}

fn letter() -> impl Strategy<Value = DeadLetter> {
    (key(), number(), number(), text()).prop_map(|(key, at, attempts, error)| DeadLetter {
        key,
        at,
        attempts,
        error,
    })
}

fn key() -> impl Strategy<Value = EventKey> {
    (room(), epoch(), offset()).prop_map(|(room, epoch, offset)| EventKey { room, epoch, offset })
}

fn kind() -> impl Strategy<Value = EventKind> {
    any::<u16>().prop_map(EventKind)
}

fn whose() -> impl Strategy<Value = Whose> {
    select(vec![Whose::Mine, Whose::Server])
}

fn name() -> impl Strategy<Value = ConsumerName> {
    "[a-z0-9._-]{1,64}".prop_map(|name| ConsumerName::new(name).expect("a name"))
}

/// Short enough for whatever it is.
fn text() -> impl Strategy<Value = String> {
    "[ -~é李🎈]{0,40}"
}
