//! What comes through a connection of each fate, over real sockets.

use std::net::Ipv4Addr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::*;

/// Both ends of a connection through a proxy with `fate`.
async fn connected(fate: Fate) -> (TcpStream, TcpStream, JoinHandle<()>) {
    let (client, from_client) = pair().await;
    let (to_server, server) = pair().await;
    let carried = carry(from_client, to_server, fate, Dice::new(1, 1), Arc::default());
    (client, server, tokio::spawn(carried))
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (one, other) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (one.unwrap(), other.unwrap().0)
}

/// Everything that comes until the end, be it a hard one.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        rest.extend_from_slice(&buffer[..read]);
    }
    rest
}

fn bytes(count: u8) -> Vec<u8> {
    (0..count).collect()
}

#[tokio::test]
async fn a_clean_connection_carries_everything_both_ways() {
    for fate in [Fate::Clean, Fate::Delayed { most: Duration::from_millis(1) }, Fate::Dripped { bytes: 70 }] {
        let (mut client, mut server, _) = connected(fate).await;
        for way in [Way::Up, Way::Down] {
            let (from, to) = match way {
                Way::Up => (&mut client, &mut server),
                Way::Down => (&mut server, &mut client),
            };
            from.write_all(&bytes(200)).await.unwrap();
            let mut read = vec![0; 200];
            to.read_exact(&mut read).await.unwrap();
            assert_eq!(read, bytes(200), "{fate:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_is_cut_at_its_very_byte() {
    for way in [Way::Up, Way::Down] {
        let (mut client, mut server, carried) = connected(Fate::Cut { way, bytes: 77 }).await;
        let (from, to) = match way {
            Way::Up => (&mut client, &mut server),
            Way::Down => (&mut server, &mut client),
        };
        from.write_all(&bytes(200)).await.unwrap();
        assert_eq!(rest(to).await, bytes(77));
        carried.await.unwrap();
        assert!(rest(from).await.is_empty());
    }
}

#[tokio::test]
async fn a_stalled_connection_stays_open_and_silent_until_it_is_cut_or_goes_on() {
    let pause = Duration::from_millis(300);
    for is_cut in [true, false] {
        let fate = Fate::Stalled { way: Way::Up, bytes: 77, pause, is_cut };
        let (mut client, mut server, _carried) = connected(fate).await;
        let began = Instant::now();
        client.write_all(&bytes(200)).await.unwrap();
        let mut read = vec![0; 77];
        server.read_exact(&mut read).await.unwrap();
        let mut next = [0; 1];
        let more = timeout(pause * 20, server.read(&mut next)).await.unwrap();
        assert!(began.elapsed() >= pause, "it was silent for {:?}", began.elapsed());
        match is_cut {
            true => assert!(!matches!(more, Ok(1..)), "{more:?}"),
            false => assert_eq!((more.unwrap(), next), (1, [77])),
        }
    }
}

#[test]
fn every_fate_is_drawn() {
    let mut dice = Dice::new(1, 1);
    let drawn: Vec<_> = (0..1_000).map(|_| Fate::draw(&mut dice)).collect();
    let share = |of: fn(&Fate) -> bool| drawn.iter().filter(|fate| of(fate)).count();
    assert!((300..500).contains(&share(|fate| *fate == Fate::Clean)));
    assert!(share(|fate| *fate == Fate::TurnedAway) > 20);
    assert!(share(|fate| matches!(fate, Fate::Cut { bytes, .. } if *bytes < 100)) > 20);
    assert!(share(|fate| matches!(fate, Fate::Cut { bytes, .. } if *bytes > 10_000)) > 20);
    assert!(share(|fate| matches!(fate, Fate::Stalled { .. })) > 50);
    assert!(share(|fate| matches!(fate, Fate::Delayed { .. } | Fate::Dripped { .. })) > 50);
}
