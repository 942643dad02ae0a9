//! What is heard of what clients of three vocabularies emit.

use serde_json::json;

use super::*;

/// What is heard of an event with these arguments.
fn heard(event: &str, arguments: Value) -> Result<Heard, &'static str> {
    let arguments: Arguments = serde_json::from_value(arguments).unwrap();
    let (_, read) = EVENTS.iter().find(|(name, _)| *name == event).unwrap();
    read(&arguments)
}

fn room(id: &str) -> RoomId {
    RoomId::new(id).unwrap()
}

#[test]
fn messages_in_three_vocabularies() {
    let say = |words, room: Option<&str>, offset: Option<&str>| {
        let (room, offset) = (room.map(|id| RoomId::new(id).unwrap()), offset.map(str::to_owned));
        Ok(Heard::Say { words, room, text: "hi".to_owned(), offset })
    };
    for (event, arguments, expected) in [
        ("chat message", json!(["hi"]), say(Words::ChatMessage, None, None)),
        ("chat message", json!(["hi", "id-0"]), say(Words::ChatMessage, None, Some("id-0"))),
        ("chat message", json!(["hi", null]), say(Words::ChatMessage, None, None)),
        (
            "message:send",
            json!([{ "roomId": "den", "content": "hi", "clientOffset": "id-1" }]),
            say(Words::MessageNew, Some("den"), Some("id-1")),
        ),
        (
            "message:send",
            json!([{ "content": "hi", "tempId": 17 }]),
            say(Words::MessageNew, None, Some("17")),
        ),
        (
            "message:send",
            json!([{ "room": "den", "text": "hi" }, "id-2"]),
            say(Words::MessageNew, Some("den"), Some("id-2")),
        ),
        ("message", json!(["hi", "id-3"]), say(Words::Message, None, Some("id-3"))),
        ("message", json!([{ "room": "den", "text": "hi" }]), say(Words::Message, Some("den"), None)),
    ] {
        assert_eq!(heard(event, arguments.clone()), expected, "{event} {arguments}");
    }
}

#[test]
fn rooms_by_their_names_and_as_objects() {
    let join = |words, after| Ok(Heard::Join { words, room: room("den"), user: None, after });
    assert_eq!(heard("room:join", json!(["den"])), join(Words::MessageNew, None));
    assert_eq!(
        heard("room:join", json!([{ "roomId": "den", "serverOffset": 7 }])),
        join(Words::MessageNew, Some(7))
    );
    let ada = UserId::new("ada").unwrap();
    assert_eq!(
        heard("join", json!([{ "username": "ada", "room": "den" }])),
        Ok(Heard::Join { words: Words::Message, room: room("den"), user: Some(ada), after: None })
    );
    assert_eq!(heard("leave", json!(["den"])), Ok(Heard::Leave { words: Words::Message, room: room("den") }));
    assert_eq!(heard("typing", json!([])), Ok(Heard::Typing { room: None, sign: Sign::Pulse }));
    assert_eq!(
        heard("typing:stop", json!([{ "roomId": "den" }])),
        Ok(Heard::Typing { room: Some(room("den")), sign: Sign::Stop })
    );
}

#[test]
fn what_is_none_of_it_is_refused() {
    for (event, arguments) in [
        ("chat message", json!([])),
        ("chat message", json!([7])),
        ("chat message", json!([[["hi"]]])),
        ("chat message", json!(["x".repeat(BODY_BYTES_MAX + 1)])),
        ("chat message", json!(["hi", "x".repeat(OFFSET_BYTES_MAX + 1)])),
        ("message:send", json!([{ "roomId": "No Such Room", "content": "hi" }])),
        ("message:send", json!([{ "roomId": 7, "content": "hi" }])),
        ("room:join", json!([])),
        ("join", json!([{ "username": "\n", "room": "den" }])),
    ] {
        assert!(heard(event, arguments.clone()).is_err(), "{event} {arguments}");
    }
}

#[test]
fn greetings_say_who_and_from_where() {
    let (chat, new, lobby) = (Words::ChatMessage, Words::MessageNew, RoomId::lobby());
    let rooms = |auth: Value| Greeting::read(&auth).map(|greeting| greeting.rooms);
    assert_eq!(rooms(json!({})), Ok(vec![(chat, lobby.clone(), None), (new, lobby.clone(), None)]));
    assert_eq!(rooms(json!({ "serverOffset": 0 })), Ok(vec![(chat, lobby.clone(), Some(0))]));
    assert_eq!(rooms(json!({ "serverOffset": { "den": 4 } })), Ok(vec![(new, room("den"), Some(4))]));
    assert!(rooms(json!({ "serverOffset": { "No": 4 } })).is_err());
    let user = |auth: Value| Greeting::read(&auth).map(|greeting| greeting.user);
    assert_eq!(user(json!({ "username": "ada" })), Ok(UserId::new("ada").ok()));
    assert_eq!(user(json!({ "username": null })), Ok(None));
    assert!(user(json!({ "username": "" })).is_err());
}
