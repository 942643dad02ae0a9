//! Which addresses are taken, and what is said of the others.

use super::ServerAddress;

#[track_caller]
fn check(address: &str, expected: Result<(&str, u16, &str), &str>) {
    match (ServerAddress::parse(address), expected) {
        (Ok(parsed), Ok((host, port, url))) => {
            assert_eq!((parsed.host(), parsed.port(), parsed.url().as_str()), (host, port, url));
        }
        (Err(error), Err(part)) => {
            let sentence = error.to_string();
            assert!(sentence.contains(part) && sentence.contains(address), "{sentence}");
        }
        (parsed, expected) => panic!("{address}: {parsed:?}, expected {expected:?}"),
    }
}

#[test]
fn addresses() {
    check("ws://127.0.0.1:3000", Ok(("127.0.0.1", 3000, "ws://127.0.0.1:3000/v1/ws")));
    check("ws://127.0.0.1:3000/", Ok(("127.0.0.1", 3000, "ws://127.0.0.1:3000/v1/ws")));
    check("http://chat.example/deep/ws", Ok(("chat.example", 80, "ws://chat.example:80/deep/ws")));
    check("ws://[::1]:3000", Ok(("::1", 3000, "ws://[::1]:3000/v1/ws")));
    check("ws://[::1]", Ok(("::1", 80, "ws://[::1]:80/v1/ws")));
    check("127.0.0.1:3000", Err("must begin with ws://"));
    check("wss://chat.example", Err("TLS"));
    check("ws://", Err("must look like"));
    check("ws://:3000", Err("must look like"));
    check("ws://host:port", Err("port"));
    check("ws://host:70000", Err("port"));
    check("ws://host:0", Err("port"));
    check("ws://user@host", Err("must look like"));
    check("ws://user:word@host:3000", Err("must look like"));
    check("ws://::1:3000", Err("must look like"));
    check("ws://[::1:3000", Err("must look like"));
    check("ws://h\u{e4}user.example", Err("must look like"));
    check("ws://host/path?token=secret", Err("must look like"));
}
