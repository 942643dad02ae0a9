//! Each source alone, their order, and every kind of mistake by the name and place it is reported under.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::settings::{options_command, variable_of};
use super::*;

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn resolve(flags: &[&str], variables: &[(&str, &str)], file: Option<&Path>) -> Result<Config, ConfigError> {
    let mut arguments = vec![OsString::from("anchor-server")];
    arguments.extend(flags.iter().map(OsString::from));
    if let Some(file) = file {
        arguments.extend([OsString::from("--config"), file.into()]);
    }
    let flags = CommandLine::parse_arguments(arguments)?;
    Layers::new(flags, variables.iter().map(|(name, value)| (name.into(), value.into()))).resolve()
}

/// The message for a mistake, the causes included.
fn complaint(flags: &[&str], variables: &[(&str, &str)], text: Option<&str>) -> String {
    let file = text.map(file);
    let error = resolve(flags, variables, file.as_ref().map(NamedTempFile::path)).unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[test]
fn nothing_said_is_the_default() {
    assert_eq!(resolve(&[], &[], None).unwrap(), Config::default());
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let file = file("listen = \"127.0.0.1:1\"\ndata = \"from-file\"\ndrain = \"1s\"\n");
    let variables = [("ANCHOR_LISTEN", "127.0.0.1:2"), ("ANCHOR_DATA", "from-variable")];
    let config = resolve(&["--listen", "127.0.0.1:3"], &variables, Some(file.path())).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data, Path::new("from-variable"));
    assert_eq!(config.drain_within, Duration::from_secs(1));
    assert_eq!(config.back_in, Config::default().back_in);
}

#[test]
fn every_option_is_read_from_every_source() {
    let options = [
        ("listen", "[::1]:7000"),
        ("data", "elsewhere"),
        ("auth", "open"),
        ("admin", "ada"),
        ("create-rooms", "false"),
        ("search", "false"),
        ("disk-reserve", "2GiB"),
        ("receipts-members", "50"),
        ("max-connections", "12"),
        ("allow-origin", "https://a.example"),
        ("heartbeat", "2s"),
        ("drain", "250ms"),
        ("back-in", "1m"),
        ("return-rate", "7"),
        ("webhook-allow", "10.0.0.0/8,hooks.internal"),
        ("webhook-http", "true"),
        ("webhook-connect", "1s"),
        ("webhook-timeout", "3s"),
        ("log", "warn,anchor_core=debug"),
        ("log-format", "json"),
    ];
    let known: Vec<_> =
        options_command().get_arguments().filter_map(clap::Arg::get_long).map(str::to_owned).collect();
    assert_eq!(known, options.map(|(name, _)| name), "an option is missing from this test");
    let expected = Config {
        listen: "[::1]:7000".parse().unwrap(),
        data: "elsewhere".into(),
        auth: Some(AuthMode::Open),
        admins: vec![UserId::new("ada").unwrap()],
        create_rooms: false,
        search: false,
        disk_reserve_bytes: 2 << 30,
        receipts_members_max: 50,
        connections_max: 12,
        allow_origins: resolve(&["--allow-origin=https://a.example"], &[], None).unwrap().allow_origins,
        heartbeat: Duration::from_secs(2),
        drain_within: Duration::from_millis(250),
        back_in: Duration::from_secs(60),
        returns_per_second: 7,
        webhook_allow: ["10.0.0.0/8", "hooks.internal"].map(|text| text.parse().unwrap()).into(),
        webhook_http: true,
        webhook_connect_within: Duration::from_secs(1),
        webhook_within: Duration::from_secs(3),
        log: "warn,anchor_core=debug".to_owned(),
        log_format: LogFormat::Json,
    };
    let flags = options.map(|(name, value)| format!("--{name}={value}"));
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    assert_eq!(resolve(&flags, &[], None).unwrap(), expected);

    let variables = options.map(|(name, value)| (variable_of(name), value));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(resolve(&[], &variables, None).unwrap(), expected);

    let text: String = options.iter().map(|(name, value)| format!("{name} = \"{value}\"\n")).collect();
    assert_eq!(resolve(&[], &[], Some(file(&text).path())).unwrap(), expected);
}

#[test]
fn the_file_may_use_the_types_of_toml() {
    let file = file(
        "create-rooms = false\nmax-connections = 9\nallow-origin = [\"https://a.example\", \"http://b.example:1\"]\n",
    );
    let config = resolve(&[], &[], Some(file.path())).unwrap();
    assert!(!config.create_rooms);
    assert_eq!(config.connections_max, 9);
    assert_eq!(config.allow_origins.len(), 2);
}

#[test]
fn the_example_file_holds_every_default() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("anchor.example.toml");
    assert_eq!(resolve(&[], &[], Some(&example)).unwrap(), Config::default());
    let text = std::fs::read_to_string(example).unwrap();
    for option in options_command().get_arguments().filter_map(clap::Arg::get_long) {
        assert!(
            text.contains(&format!("\n{option} =")) || text.contains(&format!("\n# {option} =")),
            "{option}"
        );
    }
}

#[test]
fn admins_are_several_flags_or_a_list() {
    let names = |flags: &[&str], variables: &[(&str, &str)], text: &str| -> Vec<String> {
        let file = file(text);
        let config = resolve(flags, variables, Some(file.path())).unwrap();
        config.admins.iter().map(ToString::to_string).collect()
    };
    assert_eq!(names(&["--admin=ada", "--admin", "Bob B"], &[], ""), ["ada", "Bob B"]);
    assert_eq!(names(&[], &[("ANCHOR_ADMIN", "ada,bob")], ""), ["ada", "bob"]);
    assert_eq!(names(&[], &[], "admin = [\"ada\", \"bob\"]\n"), ["ada", "bob"]);
}

#[test]
fn the_environment_may_name_the_file() {
    let file = file("max-connections = 9\n");
    let path = file.path().to_str().unwrap();
    assert_eq!(resolve(&[], &[("ANCHOR_CONFIG", path)], None).unwrap().connections_max, 9);
}

#[test]
fn a_list_of_a_higher_source_replaces_the_lower_one() {
    let file = file("allow-origin = [\"https://a.example\", \"https://b.example\"]\n");
    let config = resolve(&[], &[("ANCHOR_ALLOW_ORIGIN", "https://c.example")], Some(file.path())).unwrap();
    assert_eq!(config.allow_origins.len(), 1);
    assert!(config.allow_origins[0].allows("https://c.example"));
}

#[test]
fn other_programs_variables_are_left_alone() {
    let variables = [
        ("ANCHOR_SERVER", "ws://x"),
        ("ANCHOR_USER", "ada"),
        ("ANCHOR_STATE", "x"),
        ("ANCHOR_TEST_PG_URL", "x"),
        ("ANCHORAGE", "x"),
        ("PATH", "x"),
        ("ANCHOR_LISTEN", ""),
    ];
    assert_eq!(resolve(&[], &variables, None).unwrap(), Config::default());
}

#[test]
fn a_wrong_key_is_named_with_its_place() {
    assert!(complaint(&["--listn", "x"], &[], None).contains("--listn"));
    let variable = complaint(&[], &[("ANCHOR_LISTN", "127.0.0.1:1")], None);
    assert!(
        variable.contains("ANCHOR_LISTN") && variable.contains("did you mean `ANCHOR_LISTEN`"),
        "{variable}"
    );
    let lower_case = complaint(&[], &[("ANCHOR_listen", "127.0.0.1:1")], None);
    assert!(lower_case.contains("ANCHOR_listen"), "{lower_case}");
    let key = complaint(&[], &[], Some("listn = \"127.0.0.1:1\"\n"));
    assert!(key.contains("`listn`") && key.contains("did you mean `listen`"), "{key}");
    let underscore = complaint(&[], &[], Some("disk_reserve = 1\n"));
    assert!(underscore.contains("`disk_reserve`") && underscore.contains("`disk-reserve`"), "{underscore}");
    let config = complaint(&[], &[], Some("config = \"x\"\n"));
    assert!(config.contains("`config`"), "{config}");
    let table = complaint(&[], &[], Some("[server]\nlisten = \"127.0.0.1:1\"\n"));
    assert!(table.contains("`server`"), "{table}");
}

/// Found by fuzzing: a wrong key with an empty list was passed over, since no value of it was ever read; one with an equals
/// sign in it was read as the option before the sign, so that `"data=elsewhere" = ""` named a directory `elsewhere=`.
#[test]
fn a_wrong_key_is_named_whatever_its_value_is() {
    for text in ["listn = []\n", "\"\" = []\n"] {
        assert!(complaint(&[], &[], Some(text)).contains("there is no such option"), "{text}");
    }
    let sign = complaint(&[], &[], Some("\"data=elsewhere\" = \"\"\n"));
    assert!(sign.contains("`data=elsewhere`") && sign.contains("did you mean `data`"), "{sign}");
}

/// Found by fuzzing: an empty list counted as no value at all, also where an option has exactly one.
#[test]
fn an_empty_list_is_no_value_of_an_option_that_has_one() {
    let listen = complaint(&[], &[], Some("listen = []\n"));
    assert!(listen.contains("`listen`") && listen.contains("give a value"), "{listen}");
    let none = file("allow-origin = []\n");
    assert_eq!(resolve(&[], &[], Some(none.path())).unwrap(), Config::default());
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_a_right_one() {
    let address = complaint(&["--listen", "3000"], &[], None);
    assert!(address.contains("--listen") && address.contains("127.0.0.1:3000"), "{address}");
    let address = complaint(&[], &[("ANCHOR_LISTEN", "3000")], None);
    assert!(address.contains("ANCHOR_LISTEN") && address.contains("127.0.0.1:3000"), "{address}");
    let address = complaint(&[], &[], Some("listen = 3000\n"));
    assert!(address.contains("`listen`") && address.contains("127.0.0.1:3000"), "{address}");
    for (flag, right) in [
        ("--auth=none", "open"),
        ("--admin= ada", "such as ada"),
        ("--create-rooms=perhaps", "true or false"),
        ("--disk-reserve=lots", "256MiB"),
        ("--disk-reserve=99999999999TiB", "256MiB"),
        ("--max-connections=0", "from 1"),
        ("--drain=10", "10s"),
        ("--drain=25h", "24h"),
        ("--return-rate=0", "from 1"),
        ("--receipts-members=1025", "from 0 to 1024"),
        ("--webhook-allow=10.0.0", "a network"),
        ("--webhook-timeout=1ms", "100ms"),
        ("--allow-origin=example.org", "https://"),
        ("--allow-origin=https://example.org/path", "https://"),
        ("--log=anchor=loud", "info"),
        ("--log-format=xml", "json"),
    ] {
        let message = complaint(&[flag], &[], None);
        assert!(message.contains(right), "{flag}: {message}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = complaint(&["--config", "does/not/exist.toml"], &[], None);
    assert!(missing.contains("does/not/exist.toml"), "{missing}");
    let broken = complaint(&[], &[], Some("listen = \n"));
    assert!(broken.contains("TOML") && broken.contains("line 1"), "{broken}");
}

#[test]
fn open_without_being_asked_for_is_for_loopback_alone() {
    let mode = |flags: &[&str]| resolve(flags, &[], None).unwrap().auth_mode();
    assert_eq!(mode(&[]), Ok(AuthMode::Open));
    assert_eq!(mode(&["--listen", "[::1]:1"]), Ok(AuthMode::Open));
    assert_eq!(mode(&["--listen", "0.0.0.0:1"]), Err("0.0.0.0:1".parse().unwrap()));
    assert_eq!(mode(&["--listen", "0.0.0.0:1", "--auth", "open"]), Ok(AuthMode::Open));
}
