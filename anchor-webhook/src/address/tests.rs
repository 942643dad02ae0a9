//! Which addresses are refused, and what an allowance opens.

use super::*;

fn allowed(list: &[&str]) -> Allowed {
    Allowed::new(list.iter().map(|text| text.parse().expect("an allowance")))
}

fn check(list: &[&str], host: &str, address: &str) -> Result<(), &'static str> {
    let address = address.parse().expect("an address");
    allowed(list).check(host, address).map_err(|forbidden| forbidden.kind)
}

#[test]
fn only_the_public_internet_is_reached() {
    for address in [
        "1.1.1.1",
        "93.184.216.34",
        "172.15.255.255",
        "172.32.0.0",
        "100.128.0.0",
        "192.0.1.1",
        "223.255.255.255",
    ] {
        assert_eq!(check(&[], "host", address), Ok(()), "{address}");
    }
    for address in ["2606:4700::1111", "2a00:1450:4001::1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"] {
        assert_eq!(check(&[], "host", address), Ok(()), "{address}");
    }
    let refused = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.1.2.3",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:101:101::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
    ];
    for address in refused {
        assert!(check(&[], "host", address).is_err(), "{address}");
    }
}

#[test]
fn what_is_named_is_reached_and_nothing_else() {
    assert_eq!(check(&["10.1.0.0/16"], "host", "10.1.2.3"), Ok(()));
    assert_eq!(check(&["10.1.0.0/16"], "host", "::ffff:10.1.2.3"), Ok(()));
    assert!(check(&["10.1.0.0/16"], "host", "10.2.0.1").is_err());
    assert_eq!(check(&["127.0.0.1"], "host", "127.0.0.1"), Ok(()));
    assert!(check(&["127.0.0.1"], "host", "127.0.0.2").is_err());
    assert_eq!(check(&["[::1]"], "host", "::1"), Ok(()));
    assert_eq!(check(&["fd00::/8"], "host", "fd00::1"), Ok(()));
    assert_eq!(check(&["hooks.internal"], "Hooks.Internal.", "10.2.0.1"), Ok(()));
    assert!(check(&["hooks.internal"], "evil.hooks.internal", "10.2.0.1").is_err());
}

#[test]
fn an_address_that_was_mistyped_is_no_name() {
    for text in ["", "10.0.0", "10.0.0.0/33", "1.2.3.4.5", "http://hooks.internal", "a b", "*"] {
        assert_eq!(text.parse::<Allowance>(), Err(NotAnAllowance), "{text}");
    }
    assert_eq!("10.0.0.1/8".parse::<Allowance>().expect("a network").to_string(), "10.0.0.1/8");
}
