//! What the command line takes, and what it does not.

use std::time::Duration;

use anchor_core::room::change::Settings;
use anchor_core::room::{HistoryAccess, Retention, Role, Title};
use clap::{CommandFactory, Parser};

use super::room::{RoomArguments, RoomCommand};
use super::{Arguments, Command, TIME_MAX, duration, server};

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split_whitespace())
}

#[test]
fn the_command_line_is_well_formed() {
    Arguments::command().debug_assert();
}

#[test]
fn options_stand_before_or_behind_the_command() {
    for line in
        ["anchor-cli --server h:1 --user ada send r hi", "anchor-cli send r hi --server h:1 --user ada"]
    {
        let arguments = parse(line).unwrap();
        assert_eq!(arguments.server, "ws://h:1");
        assert_eq!(arguments.user().as_str(), "ada");
        assert!(matches!(arguments.command, Command::Send(send) if send.text.as_deref() == Some("hi")));
    }
}

#[test]
fn ranges_of_tail_exclude_each_other() {
    assert!(
        parse("anchor-cli tail r --last 5 --follow --count 2 --json --messages --hide-own --resume").is_ok()
    );
    assert!(parse("anchor-cli tail r --last 5 --after 7").is_err());
    assert!(parse("anchor-cli tail r --from-start --after 7").is_err());
}

#[test]
fn what_breaks_a_rule_is_a_usage_error() {
    for line in [
        "anchor-cli",
        "anchor-cli shout",
        "anchor-cli send",
        "anchor-cli send Lobby hi",
        "anchor-cli send r hello world",
        "anchor-cli tail r --after x",
        "anchor-cli tail r --after 9007199254740992",
        "anchor-cli history r --limit 0",
        "anchor-cli room",
        "anchor-cli room create Plans",
        "anchor-cli room create plans --keep-for 1h --keep-newest 9",
        "anchor-cli room create plans --default-role owner",
        "anchor-cli room role plans bob king",
        "anchor-cli react r 0 x y",
        "anchor-cli signal r x --to-client 12",
        "anchor-cli direct some",
        "anchor-cli --timeout never rooms",
        "anchor-cli --server ftp://h rooms",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn a_server_is_named_in_several_ways() {
    for text in ["ws://h:1", "http://h:1/", "h:1", "ws://h:1/v1/ws"] {
        assert_eq!(server(text).unwrap(), "ws://h:1", "{text}");
    }
    assert_eq!(server("https://h").unwrap(), "wss://h");
    for text in ["", "ws://", "ftp://h", "ws://h:1?x", "ws://h 1"] {
        assert!(server(text).is_err(), "{text}");
    }
}

#[test]
fn times_have_units() {
    assert_eq!(duration("1.5").unwrap(), Duration::from_millis(1500));
    assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
    assert_eq!(duration("2m").unwrap(), Duration::from_secs(120));
    for text in ["", "s", "-1", "5d", "1e400", "nan"] {
        assert!(duration(text).is_err(), "{text}");
    }
    assert_eq!(duration("8760h").unwrap(), TIME_MAX);
    for text in ["0", "0ms", "8761h", "18446744073709551615"] {
        assert!(duration(text).unwrap_err().contains("at most 8760h"), "{text}");
    }
}

#[test]
fn settings_are_those_that_are_given() {
    let settings = |line: &str| match parse(line).unwrap().command {
        Command::Room(RoomArguments { command: RoomCommand::Set(set) }) => set.settings.settings(),
        command => panic!("{command:?}"),
    };
    assert_eq!(settings("anchor-cli room set r"), Settings::default());
    let all = settings(
        "anchor-cli room set r --title T --topic U --history since-join --keep-for 2h --default-role read-only",
    );
    assert_eq!(all.title, Some(Some(Title::new("T").unwrap())));
    assert_eq!((all.history, all.default_role), (Some(HistoryAccess::SinceJoin), Some(Role::ReadOnly)));
    assert_eq!(all.retention, Some(Retention::Age(7_200_000)));
    assert_eq!(settings("anchor-cli room set r --title= --keep-all").title, Some(None));
    assert_eq!(settings("anchor-cli room set r --keep-all").retention, Some(Retention::Forever));
    assert_eq!(settings("anchor-cli room set r --keep-newest 9").retention, Some(Retention::Count(9)));
}

#[test]
fn events_are_kept_for_as_long_as_the_protocol_can_say() {
    let age = |time: &str| match parse(&format!("anchor-cli room set r --keep-for {time}"))
        .map(|cli| cli.command)
    {
        Ok(Command::Room(RoomArguments { command: RoomCommand::Set(set) })) => {
            Ok(set.settings.settings().retention)
        }
        Ok(command) => panic!("{command:?}"),
        Err(error) => Err(error.to_string()),
    };
    assert_eq!(age("8761h"), Ok(Some(Retention::Age(8_761 * 3_600_000))));
    assert_eq!(age("2501999792h"), Ok(Some(Retention::Age(2_501_999_792 * 3_600_000))));
    assert_eq!(age("0.1ms"), Ok(Some(Retention::Age(1))));
    for time in ["2501999793h", "18446744073709551615", "0"] {
        assert!(age(time).unwrap_err().contains("at most 2501999792h"), "{time}");
    }
}
