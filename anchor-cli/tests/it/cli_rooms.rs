//! Rooms with members, from their making to their end, each step a process.

use serde_json::{Value, json};

use crate::cli_world::World;

/// What a room's log shows to `user`: `OFFSET USER words`, without times.
fn told(world: &World, user: &str, command: &str) -> Vec<String> {
    let ran = world.cli(user, command).run();
    ran.lines().iter().map(|line| line.split_once(" #").unwrap().1.to_owned()).collect()
}

#[test]
fn a_group_lives() {
    let world = World::new();
    assert_eq!(world.does("ada", "room create plans --kind group --title Plans__for_May"), "plans 1");
    assert_eq!(world.does("ada", "room create plans --kind group"), "plans unchanged");
    world.refuses("ada", "room create plans", "room_exists");
    world.refuses("eve", "room create plans --kind group", "room_exists");
    for stranger in ["tail plans", "history plans", "send plans hello", "room join plans"] {
        world.refuses("eve", stranger, "not_a_member");
    }
    // What it is, and who belongs to it, is not told: neither is that there is one.
    for question in ["room show plans", "room members plans", "room show nothing"] {
        world.refuses("eve", question, "room_unknown");
    }

    assert_eq!(world.does("ada", "room invite plans bob"), "plans 2");
    assert_eq!(world.does_json("ada", "room invite plans bob")[0]["unchanged"], true);
    let mine = world.does_json("bob", "room list --mine");
    assert_eq!(
        (mine.len(), &mine[0]["room"], &mine[0]["title"]),
        (1, &json!("plans"), &json!("Plans for May"))
    );
    assert_eq!(mine[0]["member"]["membership"], "invited");
    assert_eq!(world.does("bob", "room accept plans"), "plans 3");
    assert_eq!(world.does("bob", "room accept plans"), "plans unchanged");
    assert_eq!(world.does("ada", "room members plans"), "owner ada\nmember bob");

    let following = world.cli("bob", "tail plans --from-start --follow").start();
    assert_eq!(world.does("ada", "send plans hello --mention bob --content-type text/markdown"), "plans 4");
    assert_eq!(world.does("bob", "send plans hi_ada"), "plans 5");
    assert_eq!(world.does("bob", "edit plans 5 hi,_ada"), "plans 6");
    world.refuses("ada", "edit plans 5 no", "denied");
    assert_eq!(world.does("ada", "react plans 5 👍"), "plans 7");
    assert_eq!(world.does("bob", "react plans 4 👍"), "plans 8");
    assert_eq!(world.does("bob", "unreact plans 4 👍"), "plans 9");
    assert_eq!(world.does("bob", "reply plans 4 an_answer"), "plans 10");
    world.refuses("bob", "reply plans 10 deeper", "invalid");
    world.refuses("bob", "pin plans 4", "denied");
    assert_eq!(world.does("ada", "pin plans 4"), "plans 11");
    assert_eq!(world.does("ada", "pin plans 4"), "plans unchanged");
    world.refuses("bob", "send plans all --mention-room", "denied");

    // As it is now, for people and programs.
    let past = told(&world, "bob", "history plans --messages");
    assert_eq!(
        past,
        [
            "4 ada [calls bob] [replies: 1, pinned]: hello",
            "5 bob [edited] [👍 1]: hi, ada",
            "10 bob [reply to #4]: an answer",
        ]
    );
    let past = world.does_json("ada", "history plans --messages");
    assert_eq!(past[0]["mentions"], json!({ "room": false, "users": ["bob"] }));
    assert_eq!(
        (&past[0]["content_type"], &past[0]["changes"]["last_reply"]),
        (&json!("text/markdown"), &json!(10))
    );
    assert_eq!(past[1]["changes"]["reactions"], json!([{ "sign": "👍", "count": 1, "mine": true }]));
    assert_eq!(
        (&past[1]["body"], &past[1]["changes"]["edit"]["body"]),
        (&json!("hi ada"), &json!("hi, ada"))
    );
    let pins = world.does("bob", "pins plans");
    assert!(pins.ends_with("#4 ada [calls bob] [replies: 1, pinned]: hello"), "{pins}");
    assert_eq!(told(&world, "ada", "thread plans 4").len(), 2);

    assert_eq!(world.does("bob", "redact plans 5"), "plans 12");
    assert_eq!(world.does("bob", "redact plans 5"), "plans unchanged");
    let past = world.does_json("ada", "history plans --messages");
    assert_eq!((&past[1]["body"], &past[1]["changes"]["redacted_by"]), (&Value::Null, &json!(12)));
    // Its body is gone, and that of its edit.
    let log = told(&world, "ada", "tail plans --from-start");
    assert_eq!((log[4].as_str(), log[5].as_str()), ("5 bob [redacted]", "6 bob [edited #5] [redacted]"));

    // The one who goes sees how, and nothing after it.
    assert_eq!(world.does("ada", "room kick plans bob"), "plans 13");
    assert_eq!(world.does("ada", "send plans among_us"), "plans 14");
    let (code, seen) = following.end();
    assert_eq!(code, Some(4));
    let seen: Vec<_> = seen.lines().map(|line| line.split_once(" #").unwrap().1).collect();
    let expected = [
        "1 ada [made this room: group, title \"Plans for May\"]",
        "2 ada [invited bob]",
        "3 bob [joined, being invited]",
        "4 ada [calls bob]: hello",
        "5 bob: hi ada",
        "6 bob [edited #5]: hi, ada",
        "7 ada [👍 on #5]",
        "8 bob [👍 on #4]",
        "9 bob [took 👍 back from #4]",
        "10 bob [reply to #4]: an answer",
        "11 ada [pinned #4]",
        "12 bob [redacted #5]",
        "13 ada [removed bob]",
    ];
    assert_eq!(seen, expected);
    let again = world.cli("bob", "tail plans --from-start --follow --json").run().fail(4, "not_a_member");
    let lines = again.json();
    assert_eq!(lines.last().unwrap()["ended"]["code"], "not_a_member");
    assert_eq!((lines.len(), &lines[12]["offset"]), (14, &json!(13)));
    assert_eq!(told(&world, "bob", "tail plans --from-start").len(), 13);
    world.refuses("bob", "send plans still_here", "not_a_member");
    assert_eq!(world.does("ada", "room kick plans bob"), "plans unchanged");
}

#[test]
fn who_joins_later_reads_from_there_on() {
    let world = World::new();
    world.does("ada", "room create salon --history since-join --title Salon");
    world.does("ada", "send salon before");
    world.refuses("bob", "tail salon", "not_a_member");
    assert_eq!(world.does("bob", "room join salon"), "salon 3");
    world.does("ada", "send salon after");
    let read = world.does_json("bob", "tail salon --from-start");
    assert_eq!((&read[0]["gap"]["reason"], &read[0]["gap"]["to"]), (&json!("hidden"), &json!(2)));
    assert_eq!((read.len(), &read[1]["offset"], &read[2]["body"]), (3, &json!(3), &json!("after")));
    let past = world.does_json("bob", "history salon --messages");
    assert_eq!(past.last().unwrap()["body"], "after");
    assert!(past.iter().all(|line| line["body"] != "before"), "{past:?}");
    // Both say the same of what is missing.
    assert_eq!(past[0], read[0]);
    let past = world.cli("bob", "history salon --limit 2 --json").run().succeed().json();
    assert_eq!((past.len(), &past[0]["offset"]), (2, &json!(3)));
    assert_eq!(world.does("bob", "room leave salon"), "salon 5");
    assert_eq!(world.does("bob", "room leave salon"), "salon unchanged");
}

#[test]
fn what_is_missing_for_one_reason_and_another_is_told_by_both() {
    let world = World::new();
    world.does("ada", "room create salon --history since-join");
    world.send("ada", "salon", &["m2", "m3", "m4"]);
    world.does("bob", "room join salon");
    world.trim("salon", 3);
    let gaps = |command: &str| -> Vec<Value> {
        let lines = world.does_json("bob", command);
        lines.into_iter().map(|line| line["gap"].clone()).filter(|gap| !gap.is_null()).collect()
    };
    let told = gaps("tail salon --from-start");
    let reasons: Vec<_> = told.iter().map(|gap| (&gap["from"], &gap["to"], &gap["reason"])).collect();
    assert_eq!(
        reasons,
        [(&json!(1), &json!(2), &json!("trimmed")), (&json!(3), &json!(4), &json!("hidden"))]
    );
    assert_eq!(gaps("history salon"), told);
    assert_eq!(gaps("history salon --before 2"), told);
}

#[test]
fn settings_are_shown_and_kept() {
    let world = World::new();
    world.does("ada", "room create square --topic Everything --keep-newest 5");
    world.does("bob", "room join square");
    world.refuses("bob", "room set square --title Mine", "denied");
    world.does("ada", "room role square bob moderator");
    assert_eq!(world.does("bob", "room set square --title The_Square"), "square 4");
    assert_eq!(world.does("bob", "room set square --title The_Square"), "square unchanged");
    world.refuses("bob", "room set square --keep-all", "denied");
    world.cli("bob", "room set square").run().fail(2, "which setting");
    let shown = &world.does_json("eve", "room show square")[0];
    assert_eq!(
        (&shown["title"], &shown["topic"], &shown["kind"]),
        (&json!("The Square"), &json!("Everything"), &json!("public"))
    );
    assert_eq!(
        (&shown["retention"], &shown["members"], &shown["owners"]),
        (&json!({ "count": 5 }), &json!(2), &json!(1))
    );
    assert_eq!(shown["member"], Value::Null);
    let people = world.does("bob", "room show square");
    for line in ["title: The Square", "members: 2, owners: 1", "keeps: the newest 5 events", "you: moderator"]
    {
        assert!(people.lines().any(|shown| shown == line), "{people}");
    }
    assert_eq!(world.does_json("eve", "room list --public square").len(), 1);
    assert_eq!(world.does("eve", "room list --public circle"), "");

    assert_eq!(world.does("ada", "room archive square"), "square 5");
    assert_eq!(world.does("ada", "room archive square"), "square unchanged");
    world.refuses("bob", "send square hello", "room_archived");
    assert_eq!(world.does("eve", "room list --public square"), "");
    world.does("ada", "room unarchive square");
    assert_eq!(world.does("bob", "send square hello"), "square 7");
}

#[test]
fn an_invitation_is_turned_down() {
    let world = World::new();
    world.does("ada", "room create plans --kind group");
    world.does("ada", "room invite plans bob");
    assert_eq!(world.does("bob", "room decline plans"), "plans 3");
    assert_eq!(world.does("bob", "room decline plans"), "plans unchanged");
    assert_eq!(world.does_json("bob", "room list --mine"), Vec::<Value>::new());
    world.refuses("bob", "room accept plans", "not_a_member");
    assert_eq!(world.does("ada", "room members plans"), "owner ada");
    let log = told(&world, "ada", "tail plans");
    assert_eq!(log[2], "3 bob [turned the invitation down]");
}

#[test]
fn what_was_pinned_is_unpinned() {
    let world = World::new();
    world.does("ada", "room create plans");
    world.does("ada", "send plans hello");
    world.does("bob", "room join plans");
    world.does("ada", "pin plans 2");
    world.refuses("bob", "unpin plans 2", "denied");
    assert_eq!(world.does_json("ada", "unpin plans 2")[0]["offset"], 5);
    assert_eq!(world.does_json("ada", "unpin plans 2")[0]["unchanged"], true);
    assert_eq!(world.does_json("bob", "pins plans"), Vec::<Value>::new());
    assert_eq!(told(&world, "bob", "tail plans --after 4"), ["5 ada [unpinned #2]"]);
}

#[test]
fn order_is_kept() {
    let world = World::new();
    world.does("ada", "room create plaza");
    world.does("eve", "room join plaza");
    assert_eq!(world.does("ada", "room mute plaza eve"), "plaza 3");
    world.refuses("eve", "send plaza spam", "muted");
    world.does("ada", "room unmute plaza eve");
    assert_eq!(world.does("eve", "send plaza spam"), "plaza 5");

    let report = &world.does_json("cid", "room report plaza 5 it_is_spam")[0];
    assert_eq!(report["offset"], 1);
    world.refuses("cid", "room report plaza 99 nothing", "target_unknown");
    world.refuses("cid", "room reports plaza", "denied");
    let reports = world.does("ada", "room reports plaza");
    assert!(reports.ends_with("#1 cid [reported #5 of plaza: it is spam]"), "{reports}");

    let mut following = world.cli("eve", "tail plaza --follow --json").start();
    while !following.line().unwrap().contains("\"spam\"") {}
    assert_eq!(world.does("ada", "room ban plaza eve"), "plaza 6");
    assert_eq!(world.does("ada", "room ban plaza eve"), "plaza unchanged");
    let (code, seen) = following.end();
    let seen: Vec<Value> = seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, &seen[0]["offset"]), (Some(4), &json!(6)));
    assert_eq!((seen.len(), &seen[1]["ended"]["code"]), (2, &json!("room_banned")));
    world.refuses("eve", "room join plaza", "room_banned");
    world.refuses("eve", "send plaza more", "room_banned");
    let members = world.does("ada", "room members plaza --all");
    assert_eq!(members, "owner ada\nbanned eve");
    world.does("ada", "room unban plaza eve");
    assert_eq!(world.does("eve", "room join plaza"), "plaza 8");
}

#[test]
fn a_deleted_room_is_gone_for_everybody() {
    let world = World::new();
    world.does("ada", "room create brief");
    world.does("bob", "room join brief");
    let mut following = world.cli("bob", "tail brief --follow --json").start();
    while !following.line().unwrap().contains("join") {}
    world.refuses("bob", "room delete brief", "denied");
    assert_eq!(world.does("ada", "room delete brief"), "brief 3");
    let (code, rest) = following.end();
    let gap: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert_eq!(
        (code, &gap["gap"]["reason"], &gap["gap"]["position"]),
        (Some(0), &json!("deleted"), &Value::Null)
    );
    assert_eq!(world.does("ada", "room list"), "");
    world.refuses("ada", "room delete brief", "room_unknown");
    // What comes late for those who were in it is said to nobody; one of the same name is another room.
    world.refuses("bob", "send brief late", "room_unknown");
    world.refuses("bob", "room join brief", "room_unknown");
    assert_eq!(world.does("cid", "room create brief"), "brief 1");
    assert_eq!(world.does("cid", "send brief new"), "brief 2");
}

#[test]
fn the_position_in_a_deleted_room_is_forgotten() {
    let world = World::new();
    world.does("ada", "room create brief");
    assert_eq!(world.does_json("bob", "tail brief --resume").len(), 1);
    world.does("ada", "room delete brief");
    let told = world.does_json("bob", "tail brief --resume");
    assert_eq!((told.len(), &told[0]["gap"]["reason"]), (1, &json!("deleted")));
    // It is told once.
    assert_eq!(world.does_json("bob", "tail brief --resume"), Vec::<Value>::new());
    world.does("cid", "room create brief");
    world.does("cid", "send brief new");
    let read = world.does_json("bob", "tail brief --resume");
    assert_eq!((read.len(), &read[1]["body"]), (2, &json!("new")));
    assert_eq!(world.does_json("bob", "tail brief --resume"), Vec::<Value>::new());
}
